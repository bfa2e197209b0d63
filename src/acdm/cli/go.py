"""acdm go: from two folders to an open report, in one command."""

import webbrowser

from acdm.cli.options import ConfigFile, Data, Out, PositiveClass, PresetName, Reference, TrainingOptions, layers, typed

MINUTES = 30.0


def go(
    data: Data,
    /,
    *,
    out: Out = None,
    preset: PresetName = None,
    positive: PositiveClass = None,
    reference: Reference = None,
    open: bool = True,
    config: ConfigFile = None,
    options: TrainingOptions = None,
) -> None:
    """Check, train, evaluate, report and open it: one command from a data folder, or two, to what separates them.

    The options are those of train; --minutes is 30 where neither it nor --steps is given.  Cut off, it goes on with
    acdm train DATA -o RUN --resume.

    Parameters
    ----------
    out
        Run folder; by default a new one under runs/.
    open
        Open the report in a browser.
    """
    from acdm.cli.terminal import showing, table
    from acdm.core.config import Config
    from acdm.core.run import require_free
    from acdm.data.checkup import examine_folders, summary
    from acdm.errors import DataError
    from acdm.evaluation.findings import evaluate_run
    from acdm.training.request import Request, file_of_features
    from acdm.training.train import train
    from acdm.web.findings import build_page
    from acdm.web.live import LiveReport

    given = layers(config, options)
    if not {"minutes", "steps"} & given.keys():
        given["minutes"] = MINUTES
    if out is not None:
        require_free(out)
    known = Config.of({"seed": given.get("seed"), "images": given.get("images", {})})
    with showing() as progress:
        found = examine_folders(data, progress, positive, known.seed, reference, known.images)
        progress.say(summary(found))
        if found.problems:
            raise DataError(f"{len(found.problems)} problems stop the training; the first: {found.problems[0]}")
        request = Request(
            folders=data,
            out=out,
            preset=preset,
            options=given,
            positive=positive,
            reference=reference,
            command=typed(),
        )
        with LiveReport(progress) as live:
            run = train(request, live)
        results = evaluate_run(run, data, progress=progress, features=file_of_features(given))
    page = build_page(run)
    print(table(results))
    print(f"look at {page}")
    if open:
        webbrowser.open(page.resolve().as_uri())
