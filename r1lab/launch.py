"""From a composed configuration to a running stage."""

from __future__ import annotations

from omegaconf import DictConfig

from r1lab import processes
from r1lab.stages.plan import state
from r1lab.stages.run import Run


def launch(config: DictConfig, overrides: list[str]) -> None:
    """Runs the stage of a configuration, or shows its plan, or the report of a run that is finished."""
    run = Run.of(config)
    if config.plan:
        if processes.is_first():
            print(run.stage.graph() or f"stage={run.name} {run.address}: {state(run)}")
        return
    if not processes.is_first():
        run.join()
        return
    run.check_inputs()
    with run.open(overrides) as record:
        if record.finished:
            print("This run is finished; run.resume=never would do it again.")
            report = record.folder / "report.txt"
            print(report.read_text() if report.exists() else f"Its report is not there any more: {report}")
        else:
            run.work(record)
        print(record.folder)
