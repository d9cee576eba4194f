"""Read what `make export` wrote with the tools themselves: ``python viewers.py PROJECTOR_FOLDER PARQUET_FILE``.

Runs in the environment of `make viewers`, which knows nothing of this project. Prints one line of JSON.
"""

import json
import sys
from pathlib import Path

from google.protobuf import text_format
from renumics.spotlight import dtypes
from renumics.spotlight.data_source import create_datasource
from renumics.spotlight.data_store import DataStore
from tensorboard.plugins.projector import projector_config_pb2, projector_plugin

folder, parquet = Path(sys.argv[1]), Path(sys.argv[2])
config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), projector_config_pb2.ProjectorConfig())
embedding = config.embeddings[0]
tensor = projector_plugin._read_tensor_tsv_file(str(folder / embedding.tensor_path))
projector = {
    "shape": list(tensor.shape),
    "metadata": len((folder / embedding.metadata_path).read_text().splitlines()),
    "sprite": list(embedding.sprite.single_image_dim),
}
store = DataStore(create_datasource(parquet), {"scores": dtypes.embedding_dtype, "image": dtypes.image_dtype})
spotlight = {"rows": len(store), "types": {name: dtype.name for name, dtype in store.dtypes.items()}}
store.get_converted_values("scores")
store.get_converted_values("image")
print(json.dumps({"projector": projector, "spotlight": spotlight}))
