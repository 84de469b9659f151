"""From a composed configuration to a running stage."""

from __future__ import annotations

from omegaconf import DictConfig

from r1lab import processes, terminal
from r1lab.characters import shown
from r1lab.stages.plan import state
from r1lab.stages.run import Run


def launch(config: DictConfig, overrides: list[str]) -> None:
    """Runs the stage of a configuration, or shows its plan, or the report of a run that is done."""
    run = Run.of(config, overrides)
    if config.plan:
        if processes.is_first():
            terminal.tell(run.stage.graph() or f"stage={run.name} {run.address}: {state(run)}")
        return
    if not processes.is_first():
        run.join()
        return
    if run.done and run.resume != "never":
        folder = run.newest.folder
        print("This run is finished; run.resume=never would do it again.")
        report = folder / "report.txt"
        gone = f"Its report is not there any more: {report}"
        terminal.tell(report.read_text(encoding="utf-8", errors="replace") if report.exists() else gone)
    else:
        run.check_inputs()
        folder = run.work(overrides)
    print(shown(str(folder)))
