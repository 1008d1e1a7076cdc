import re
import signal
import socket
import subprocess
import sys

import httpx


def test_a_port_that_is_taken_is_told_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "backhaul.sandbox", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    assert done.returncode == 2
    assert "name another one: --port 0 takes any" in done.stderr
    assert "Traceback" not in done.stderr


def test_started_by_hand_it_says_where_it_is_and_how_to_sign_in_until_ctrl_c():
    command = [sys.executable, "-m", "backhaul.sandbox", "--port", "0", "--variant", "links"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as office:
        told = "".join(office.stdout.readline() for _ in range(5))
        url = re.search(r"http://\S+", told).group()
        status = httpx.get(f"{url}/login", trust_env=False).status_code
        office.send_signal(signal.SIGINT)
        _, errors = office.communicate(timeout=20)

    assert status == 200
    assert re.search(r"BACKEND_USERNAME=admin-\w+\nBACKEND_PASSWORD=\S+\n", told)
    assert (office.returncode, errors) == (0, "")
