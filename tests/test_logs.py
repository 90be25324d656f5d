"""Progress lines are printed and logged at once."""

import os
import subprocess
import sys

PROGRAM = """
import logging, os, sys, time
from ablation import logs
logs.start(sys.argv[1] if len(sys.argv) > 1 else None)
logger = logging.getLogger("ablation.training.loop")
logger.info("epoch 1")
logger.warning("another SHA-256")
logger.debug("unseen")
logging.getLogger("other").info("unseen")
print("to stderr", file=sys.stderr, flush=True)
logger.info("epoch 2")
os._exit(0)  # nothing is flushed at exit: a killed job has said what it logged
"""


def test_lines_are_printed(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "epoch 1\nwarning: another SHA-256\nepoch 2\n"


def test_the_log_has_them_too_in_order_with_what_a_shell_appends(tmp_path):
    log = tmp_path / "new" / "train.log"
    log.parent.mkdir()
    log.write_text("of the job before\n" * 100)
    with open(log, "a") as stderr:
        command = [sys.executable, "-c", PROGRAM, str(log)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=True)
    assert log.read_text() == "epoch 1\nwarning: another SHA-256\nto stderr\nepoch 2\n"
    assert done.stdout == "epoch 1\nwarning: another SHA-256\nepoch 2\n"


def test_the_folder_of_the_log_is_made(tmp_path):
    log = tmp_path / "a" / "b.log"
    subprocess.run([sys.executable, "-c", PROGRAM, str(log)], capture_output=True, check=True)
    assert "epoch 2\n" in log.read_text()


def test_a_log_is_utf_8_whatever_the_locale(tmp_path):
    program = """
import sys
from ablation import logs
logs.start(sys.argv[1])
logs.logging.getLogger("ablation").info("\\u00b1")
"""
    locale = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "log")], env=os.environ | locale, check=True)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "±\n"


def test_chatter_is_kept_from_the_terminal_and_nothing_after_it():
    program = """
import os
from ablation import logs
with logs.without_chatter():
    os.write(2, b"of a CPU ")
os.write(2, b"an error")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "an error"
