# The config as text, read before Snakemake reads it: its errors have a file and a line, and no key is lost.
import sys
from pathlib import Path

HOME = Path(workflow.current_basedir).parent
# The library next to these rules, whichever copy of it is installed: keys are digests of its code.
sys.path.insert(0, str(HOME / "scripts"))

from ablation.errors import InputError
from ablation.settings import text

CONFIG_FILE = "config.yaml"
# What overrides what, in this order. A module whose config another workflow gives has no text.
own = [] if workflow.config_settings.replace_workflow_config else [CONFIG_FILE]
given = [*own, *workflow.overwrite_configfiles], workflow.config_settings.config_args or []
try:
    PLACES = {} if workflow.modifier.skip_configfile else text.read_places(*given)
except InputError as error:
    sys.exit(f"config error: {error}")


configfile: CONFIG_FILE
