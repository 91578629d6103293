"""What every start of Snakemake imports and reads in this project.

The rules say on which sources their jobs rest: those are parsed here once.
"""

import re
from importlib import import_module
from pathlib import Path

from snakemake.cli import get_argument_parser

from rgmp.provenance import code

PROJECT = Path(__file__).parents[2]

for name in (
    "snakemake.report.html_reporter",  # Snakemake imports these when it reads a command line
    "snakemake_logger_plugin_rgmp",
    "smart_open",
    "yte",
):
    import_module(name)
for file in (PROJECT / "workflow/rules").glob("*.smk"):
    for name in re.findall(r"^(?:from|import) (rgmp[\w.]*)", file.read_text(), re.MULTILINE):
        import_module(name)
code.source_files("rgmp.cli.main")
get_argument_parser()  # finds the plugins that are installed
