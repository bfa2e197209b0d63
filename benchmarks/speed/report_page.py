"""A report in Chromium: its size, what it asks for, what it complains of, and how fast a slider draws.

    PYTHONPATH=tests python benchmarks/speed/report_page.py RUN

RUN has been evaluated and reported.  The strength slider is moved at every frame for three seconds.
"""

import sys
from pathlib import Path

from browser import opened

FRAMES = """async () => {
    const slider = document.getElementById('strength'), began = performance.now();
    let drawn = 0;
    while (performance.now() - began < 3000) {
        slider.value = -1 + (drawn % 60) / 20;
        slider.dispatchEvent(new Event('input'));
        await new Promise(requestAnimationFrame);
        drawn++;
    }
    return 1000 * drawn / (performance.now() - began);
}"""


def main(run: Path) -> None:
    folder = run.resolve() / "report"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    with opened() as seen:
        seen.page.goto((folder / "index.html").as_uri())
        frames = seen.page.evaluate(FRAMES)
        elsewhere = [url for url in seen.requests if not url.startswith(("file:", "data:"))]
        print(f"{size:.1f} MiB; {len(elsewhere)} requests beyond the folder, {len(seen.errors)} errors on the console")
        print(f"the strength slider draws {frames:.0f} frames a second")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
