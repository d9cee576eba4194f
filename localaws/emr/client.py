"""What YARN's client writes about an application, for a step that runs on local-cluster: after Spark 3.5.6 and Hadoop
3.4.2, as a step on a real YARN shows them (``LOCALAWS_YARN=1``). Pure.

Source: org.apache.spark.deploy.yarn.Client; for a master that was killed RMAppAttemptImpl and ContainerLaunch.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LAUNCHED = "AM container is launched, waiting for AM container to Register with RM"
RPC_PORT = 45383  # any number: nothing listens there
_SIGNAL = 128


@dataclass(frozen=True)
class Application:
    """An application as its client knows it.

    Attributes
    ----------
    id : application_…
    started : when it was submitted
    primary : host of the ResourceManager
    master : host of the application's master
    """

    id: str
    started: datetime
    primary: str
    master: str

    def format_submission(self, now: datetime) -> str:
        """The client's lines from the submission to the master's registration."""
        return (
            f"{format_line(now, f'INFO Client: Submitting application {self.id} to ResourceManager')}"
            f"{format_line(now, f'INFO YarnClientImpl: Submitted application {self.id}')}"
            f"{self._format_report(now, 'ACCEPTED', LAUNCHED)}{self._format_report(now, 'RUNNING', 'N/A', runs=True)}"
        )

    def format_end(self, now: datetime, code: int, *, cancelled: bool = False) -> str:
        """The client's last lines: how the application ended.

        Parameters
        ----------
        code : the driver's, negative for a signal as subprocess has it
        cancelled : the signal was YARN's, because a user wanted the application to end
        """
        if code == 0:
            return self._format_report(now, "FINISHED", "N/A", "SUCCEEDED", runs=True) + format_hook(now)
        if cancelled:
            diagnosis = f"Application {self.id} was killed by user hadoop at {self.primary}"
            report = self._format_report(now, "KILLED", diagnosis, "KILLED")
            return report + self._format_exception("is killed", 1315) + format_hook(now)
        diagnosis = describe_exit(code) if code > 0 else self._describe_kill(now, _SIGNAL - code)
        report = self._format_report(now, "FINISHED" if code > 0 else "FAILED", diagnosis, "FAILED", runs=code > 0)
        error = format_line(now, f"ERROR Client: Application diagnostics message: {diagnosis}")
        return report + error + self._format_exception("finished with failed status", 1312) + format_hook(now)

    def _format_exception(self, outcome: str, number: int) -> str:
        return (
            f'Exception in thread "main" org.apache.spark.SparkException: Application {self.id} {outcome}\n'
            f"\tat org.apache.spark.deploy.yarn.Client.run(Client.scala:{number})\n"
            "\tat org.apache.spark.deploy.yarn.YarnClusterApplication.start(Client.scala:1745)\n"
        )

    def _format_report(
        self, now: datetime, state: str, diagnosis: str, final: str = "UNDEFINED", *, runs: bool = False
    ) -> str:
        """A change of state: a line, and the block of details that follows it."""
        details = {
            "client token": "N/A",
            "diagnostics": diagnosis,
            "ApplicationMaster host": self.master if runs else "N/A",
            "ApplicationMaster RPC port": RPC_PORT if runs else -1,
            "queue": "default",
            "start time": int(self.started.timestamp() * 1000),
            "final status": final,
            "tracking URL": f"http://{self.primary}:20888/proxy/{self.id}/",
            "user": "hadoop",
        }
        block = "".join(f"\n\t {name}: {value}" for name, value in details.items())
        report = format_line(now, f"INFO Client: Application report for {self.id} (state: {state})")
        return f"{report}{format_line(now, f'INFO Client: {block}')}"

    def _describe_kill(self, now: datetime, code: int) -> str:
        attempt = self.id.replace("application", "appattempt") + "_000001"
        stamp = f"[{now:%Y-%m-%d %H:%M:%S.%f}"[:-3] + "]"
        return (
            f"Application {self.id} failed 1 times (global limit =2; local limit is =1) due to AM Container for "
            f"{attempt} exited with  exitCode: {code}\nFailing this attempt.Diagnostics: {stamp}Container killed on "
            f"request. Exit code is {code}\n{stamp}Container exited with a non-zero exit code {code}. \n"
            f"{stamp}Killed by external signal\nFor more detailed output, check the application tracking page: http://{self.primary}:8088/cluster/app/"
            f"{self.id} Then click on links to logs of each attempt.\n. Failing the application."
        )


def format_line(now: datetime, text: str) -> str:
    """A line of Spark's log."""
    return f"{now:%y/%m/%d %H:%M:%S} {text}\n"


def format_hook(now: datetime) -> str:
    """The last line of every client."""
    return format_line(now, "INFO ShutdownHookManager: Shutdown hook called")


def describe_exit(code: int) -> str:
    """The master's diagnosis of a driver that ended by itself."""
    return f"User application exited with status {code}"


def describe_master_end(now: datetime, code: int) -> str:
    """The master's own last lines; none when all went well, and none when it was killed."""
    if code <= 0:
        return ""
    return format_line(now, f"ERROR ApplicationMaster: {describe_exit(code)}") + format_line(
        now, f"INFO ApplicationMaster: Final app status: FAILED, exitCode: {code}, (reason: {describe_exit(code)})"
    )
