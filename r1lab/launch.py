"""From a composed configuration to a running stage."""

from __future__ import annotations

from omegaconf import DictConfig

from r1lab import processes, terminal
from r1lab.characters import shown
from r1lab.config.planning import planning
from r1lab.stages.plan import state
from r1lab.stages.run import Run


def show_plan(config: DictConfig, overrides: list[str]) -> None:
    """Prints what would be done, and why, and what cannot be known without a network."""
    with planning(True) as unseen:
        run = Run.of(config, overrides)
        told = run.stage.graph() or f"stage={run.name} {run.address}: {state(run)}"
    if processes.is_first():
        terminal.tell(told)
        if unseen:
            terminal.tell("\n  ".join(["\nNot looked at, for a plan asks no network:", *unseen]))


def launch(config: DictConfig, overrides: list[str]) -> None:
    """Runs the stage of a configuration, or shows its plan, or the report of a run that is done."""
    if config.plan:
        show_plan(config, overrides)
        return
    run = Run.of(config, overrides)
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
