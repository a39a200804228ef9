"""A headless Chromium that uses Slipway's pages as people do, and checks each for accessibility."""
import base64
import json
import os
import subprocess
import sys
import time

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "http"))
import harness  # noqa: E402

ARGUMENTS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
             "--disable-component-update --disable-sync --hide-scrollbars --disable-dev-shm-usage").split()
SHOTS = os.path.join(harness.BUILD, "screenshots")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe_source():
    """axe-core's script, fetched once into the build directory; None when it cannot be fetched."""
    folder = os.path.join(harness.BUILD, "axe")
    path = os.path.join(folder, "node_modules", "axe-core", "axe.min.js")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, "axe-core@4"], cwd=folder,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=180, check=False)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return f.read()


class Browser:
    def __init__(self, server, lang="en", script=True, width=1200, height=900, dark=False):
        self.base = f"http://127.0.0.1:{server.port}"
        self.script, self.lang = script, lang
        self.axe = axe_source()
        self.findings = []      # of all pages: told together at the end
        options = webdriver.ChromeOptions()
        for a in ARGUMENTS:
            options.add_argument(a)
        options.add_argument(f"--window-size={width},{height}")
        options.add_experimental_option("prefs", {"intl.accept_languages": "zh-CN,zh" if lang == "zh" else "en"})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.binary_location = "/usr/bin/chromium"
        self.d = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.d.set_page_load_timeout(60)
        if width < 500:
            self.d.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": True})
        if dark:
            self.d.execute_cdp_cmd("Emulation.setEmulatedMedia", {
                "features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        self.scripts(script)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.d.quit()
        if kind is None and self.findings:
            raise AssertionError("\n".join(self.findings))
        for finding in self.findings:
            print("# " + finding, flush=True)

    def scripts(self, on):
        self.d.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    # ---- using pages

    def go(self, path):
        self.d.get(self.base + path)

    def one(self, css):
        return self.d.find_element(By.CSS_SELECTOR, css)

    def all(self, css):
        return self.d.find_elements(By.CSS_SELECTOR, css)

    def text(self, css="main"):
        for _ in range(20):      # the page may be replaced between finding and reading
            try:
                return self.one(css).text
            except StaleElementReferenceException:
                time.sleep(0.1)
        return self.one(css).text

    def path(self):
        return self.d.current_url[len(self.base):]

    def click(self, css):
        self.one(css).click()

    def fill(self, css, text):
        e = self.one(css)
        e.clear()
        e.send_keys(text)

    def select(self, css, value):
        Select(self.one(css)).select_by_value(value)

    def wait(self, what, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if what():
                    return
            except Exception:      # the page is changing under us
                pass
            time.sleep(0.1)
        raise AssertionError(f"waited in vain at {self.path()}:\n{self.text()[:1500]}")

    def wait_path(self, *starts, seconds=60):
        self.wait(lambda: self.path().startswith(starts) and
                  self.d.execute_script("return document.readyState") == "complete", seconds)

    def login(self, who=harness.USER):
        self.go("/login")
        self.fill("#f-username", who[0])
        self.fill("#f-password", who[1])
        self.click("main button[type=submit]")
        self.wait(lambda: self.path() in ("/", ""))

    def choose(self, *paths):
        self.one("#f-files").send_keys("\n".join(paths))

    def drop(self, *paths):
        """Drop files on the page, as from the desktop."""
        files = [(os.path.basename(p), base64.b64encode(open(p, "rb").read()).decode()) for p in paths]
        self.d.execute_script("""
            const t = new DataTransfer();
            for (const [name, data] of arguments[0])
                t.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name));
            for (const type of ["dragenter", "dragover", "drop"])
                document.getElementById("drop").dispatchEvent(new DragEvent(type, {dataTransfer: t, bubbles: true, cancelable: true}));
        """, files)
        self.wait(lambda: len(self.all("#chosen li")) == len(paths))

    # ---- looking at pages

    def shot(self, name):
        os.makedirs(SHOTS, exist_ok=True)
        size = self.d.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 5000), "scale": 1}
        picture = self.d.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        with open(os.path.join(SHOTS, name + ".png"), "wb") as f:
            f.write(base64.b64decode(picture["data"]))

    def check(self, name):
        """Findings of axe-core, what is wider than the window, refusals of the content policy; and a picture."""
        self.shot(name)
        wide = self.d.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.findings.append(f"{name}: {wide} px too wide")
        for step in self.all(".trail li[aria-current]"):
            if self.d.execute_script("return arguments[0].getBoundingClientRect().right > innerWidth - 8", step):
                self.findings.append(f"{name}: the current step is out of sight")
        for word in self.text("body").split():
            if word.startswith(("title.", "problem.", "hint.", "state.", "kind.", "step.", "coltype.", "csv.", "srs.", "type.")):
                self.findings.append(f"{name}: no words for {word}")
        for line in self.d.get_log("browser"):
            if "Content Security Policy" in line["message"] or (".js" in line["message"] and line["level"] == "SEVERE"):
                self.findings.append(f"{name}: {line['message']}")
        if self.axe is None:
            return
        self.scripts(True)
        self.d.execute_script(self.axe)
        result = self.d.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {runOnly: arguments[0], resultTypes: ['violations']})"
            ".then(r => done(r.violations), e => done([{id: String(e), nodes: []}]));", RULES)
        self.scripts(self.script)
        told = [f"{v['id']}: {v.get('help', '')}: " + "; ".join(n["html"][:160] for n in v["nodes"][:3]) for v in result]
        self.findings += [f"{name} ({self.path()}): {t}" for t in told]


def run(command, **kw):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, **kw)


def make_files(folder):
    """Small files of five kinds, each with something to ask about."""
    def at(name):
        return os.path.join(folder, name)

    with open(at("公园.csv"), "w", encoding="gb18030") as f:
        f.write("名称;经度;纬度;面积;开放日期\n")
        for i in range(120):
            f.write(f"公园{i};{116.2 + i % 12 / 30:.5f};{39.8 + i // 12 / 30:.5f};{7 * i % 400};2019-{i % 12 + 1:02d}-15\n")
    squares = []
    for i in range(60):
        x, y = 6 + i % 10 * 0.8, 46 + i // 10 * 0.7
        squares.append({"type": "Feature", "properties": {"name": f"Area {i}", "date": f"2020-0{i % 9 + 1}-11", "people": 37 * i},
                        "geometry": {"type": "Polygon", "coordinates": [[[x, y], [x + .4, y], [x + .4, y + .3], [x, y + .3], [x, y]]]}})
    with open(at("areas.geojson"), "w") as f:
        json.dump({"type": "FeatureCollection", "features": squares}, f)
    run(["ogr2ogr", "-f", "ESRI Shapefile", at("fields.shp"), at("areas.geojson"), "-t_srs", "EPSG:25832",
         "-sql", "SELECT name, people FROM areas"])
    os.remove(at("fields.prj"))
    run(["gdal_create", "-of", "GTiff", "-outsize", "200", "150", "-bands", "1", "-ot", "Byte", "-burn", "90",
         "-a_srs", "EPSG:32632", "-a_ullr", "500000", "5300000", "540000", "5270000", at("relief.tif")])
    run(["ogr2ogr", "-f", "GPKG", at("two.gpkg"), at("areas.geojson"), "-nln", "areas"])
    run(["ogr2ogr", "-f", "GPKG", "-update", at("two.gpkg"), at("areas.geojson"), "-nln", "centres", "-dialect", "sqlite",
         "-sql", "SELECT st_centroid(geometry) AS geometry, name FROM areas"])
    with open(at("many.csv"), "w") as f:
        f.write("id,lat,lon,word\n")
        for i in range(400000):
            f.write(f"{i},{45 + i % 1000 / 500},{7 + i // 1000 / 100},some words in row {i}\n")
    return at
