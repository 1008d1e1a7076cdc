"""The way to a site over HTTP."""

import subprocess
import sys


def test_asking_over_http_loads_no_browser_and_no_command_line() -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from backhaul.sessions.shared import Driver, SharedSession\n"
        "from backhaul.sessions.vault import Vault\n"
        "url = 'http://127.0.0.1:9'\n"
        "SharedSession('a', url, None, driver=Driver.HTTP, allow_http=False, vault=Vault(Path())).sign_in()\n"
        "heavy = {'click', 'rich', 'playwright', 'polars', 'cssselect', 'cryptography', 'keyring'}\n"
        "print('httpx' in sys.modules, sorted(heavy & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "True []\n"
