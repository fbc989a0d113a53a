"""A headless Chromium for tests, driven by the DevTools protocol over a pipe: no package, no network."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
STARTUP_S = 60
ANSWER_S = 30


def find():
    """The path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page; `open` a file, `run` JavaScript in it, press keys, move the mouse."""

    def __init__(self, path):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        read_end, self._to_browser = os.pipe()
        self._from_browser, write_end = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        wired = f'exec "$0" "$@" 3</dev/fd/{read_end} 4>/dev/fd/{write_end}'
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}", "--window-size=1400,1000",
            "--disable-background-networking", "--disable-component-update", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            ["sh", "-c", wired, path, *flags],
            pass_fds=(read_end, write_end), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (read_end, write_end):
            os.close(end)
        self._buffer, self._count, self.events, self._session = b"", 0, [], None
        target = self._send("Target.createTarget", wait=STARTUP_S, url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self._send("Network.emulateNetworkConditions", **offline)

    def close(self):
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._to_browser)
        os.close(self._from_browser)
        self._profile.cleanup()

    def _send(self, method, wait=ANSWER_S, **params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        answer = self._receive(lambda m: m.get("id") == self._count, wait)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _receive(self, wanted, wait):
        """The first message that is `wanted`; the others are kept in `events`."""
        deadline = time.monotonic() + wait
        while True:
            while b"\0" in self._buffer:
                text, _, self._buffer = self._buffer.partition(b"\0")
                message = json.loads(text)
                if wanted(message):
                    return message
                self.events.append(message)
            ready, _, _ = select.select([self._from_browser], [], [], max(deadline - time.monotonic(), 0))
            chunk = os.read(self._from_browser, 1 << 16) if ready else b""
            if not chunk:
                raise TimeoutError("the browser does not answer")
            self._buffer += chunk

    def open(self, file):
        self.events.clear()
        self._send("Page.navigate", url=Path(file).resolve().as_uri())
        self._receive(lambda m: m.get("method") == "Page.loadEventFired", ANSWER_S)

    def run(self, expression):
        """The value of a JavaScript expression."""
        result = self._send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(
                result["exceptionDetails"]["exception"].get("description", "JavaScript failed")
            )
        return result["result"].get("value")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self._send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def point(self, selector):
        """Move the mouse over the middle of an element."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self._send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])

    def click(self, selector):
        self.point(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def errors(self):
        """Everything the console complained about since `open`."""
        self.run("0")
        bad = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                bad.append(event["params"]["exceptionDetails"]["text"])
            if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                bad.append(event["params"]["entry"]["text"])
        return bad

    def requests(self):
        """The addresses asked for since `open`."""
        self.run("0")
        sent = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]
