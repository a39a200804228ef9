"""Goal: @supermapgis/iclient-common as published, in a browser and on another origin: data is added, listed, loaded, changed,
shared, published and deleted, and what it asks by its long way around arrives (datas.md, cases 7, 12, 20, 25; uploadtasks.md 31)."""
import http.server
import json
import os
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("http", "browser"):
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), folder))
import browser  # noqa: E402
import harness  # noqa: E402
import npm  # noqa: E402
from datas import DATAS, ask, entity, item, make  # noqa: E402

ENTRY = """export { IPortal } from "@supermapgis/iclient-common/iPortal/iPortal.js";
export { IPortalUser } from "@supermapgis/iclient-common/iPortal/iPortalUser.js";
export { IPortalResource } from "@supermapgis/iclient-common/iPortal/iPortalResource.js";
export { IPortalAddDataParam } from "@supermapgis/iclient-common/iPortal/iPortalAddDataParam.js";
export { IPortalDataMetaInfoParam } from "@supermapgis/iclient-common/iPortal/iPortalDataMetaInfoParam.js";
export { IPortalShareParam } from "@supermapgis/iclient-common/iPortal/iPortalShareParam.js";
export { IPortalShareEntity } from "@supermapgis/iclient-common/iPortal/iPortalShareEntity.js";
export { SecurityManager } from "@supermapgis/iclient-common/security/SecurityManager.js";
export { TokenServiceParameter } from "@supermapgis/iclient-common/security/TokenServiceParameter.js";
export { ServerInfo } from "@supermapgis/iclient-common/security/ServerInfo.js";
export { ChartModel } from "@supermapgis/iclient-common/components/chart/ChartModel.js";
export { FetchRequest } from "@supermapgis/iclient-common/util/FetchRequest.js";
"""
HELPERS = """
const portal = arguments[0], done = arguments[arguments.length - 1];
const { IPortal, IPortalUser, IPortalResource, IPortalAddDataParam, IPortalDataMetaInfoParam, IPortalShareParam, IPortalShareEntity,
	SecurityManager, TokenServiceParameter, ServerInfo, FetchRequest, ChartModel } = SM;
const form = (name, text) => { const f = new FormData(); f.append(name, new File([text], name)); return f; };
const list = (parameters) => FetchRequest.get(portal + "/web/datas.json?token=" + arguments[1], parameters).then((r) => r.json());
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
(async () => {
%s
})().then(done, (e) => done({ failed: String(e) + e.stack }));
"""


class Page(http.server.BaseHTTPRequestHandler):
    """One page with the client, on an origin of its own."""
    script = b""

    def log_message(self, *_):
        pass

    def do_GET(self):
        body, kind = (self.script, "text/javascript") if self.path == "/client.js" else \
            (b'<!doctype html><meta charset="utf-8"><title>iclient</title><body><script src="/client.js"></script>', "text/html")
        self.send_response(200)
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def bundle(modules):
    out = os.path.join(modules, "iclient-test.js")
    entry = os.path.join(modules, "iclient-test.entry.js")
    with open(entry, "w", encoding="utf-8") as f:
        f.write(ENTRY)
    subprocess.run([os.path.join(modules, ".bin", "esbuild"), entry, "--bundle", "--format=iife", "--global-name=SM", f"--outfile={out}",
                    "--log-level=error", "--define:global=window"], check=True, timeout=120)
    with open(out, "rb") as f:
        return f.read()


class IClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Page.script = bundle(npm.modules())
        cls.pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=cls.pages.serve_forever, daemon=True).start()
        cls.server = harness.Server()
        cls.portal = f"http://127.0.0.1:{cls.server.port}/iportal"
        cls.chrome = browser.Browser(cls.server)
        cls.chrome.d.set_script_timeout(60)
        a = ask(cls.server, "POST", "/iserver/services/security/tokens.rjson",
                {"userName": harness.USER[0], "password": harness.USER[1], "clientType": "NONE", "expiration": 60}, user=None)
        cls.token = a.text

    @classmethod
    def tearDownClass(cls):
        cls.chrome.d.quit()
        cls.pages.shutdown()
        cls.pages.server_close()
        cls.server.close()

    def run_script(self, script, register=True, portal=None):
        self.chrome.d.get(f"http://127.0.0.1:{self.pages.server_port}/")
        start = "SecurityManager.registerToken(portal, arguments_token);\n" if register else ""
        text = HELPERS.replace("%s", "const arguments_token = token;\n" + start + script)
        text = "const token = arguments[1];\n" + text.replace("arguments[1]", "token")
        r = self.chrome.d.execute_async_script(text, portal or self.portal, self.token)
        self.assertNotIn("failed", r or {}, (r, self.server.log()[-1500:]))
        return r

    def test_add_json_and_csv(self):
        r = self.run_script("""
const user = new IPortalUser(portal);
const one = await user.addData(new IPortalAddDataParam({ fileName: "民航 机场.json", type: "JSON", tags: ["航空", "a,b"] }),
	form("民航 机场.json", '{"a":"井"}'));
const two = await user.addData(new IPortalAddDataParam({ fileName: "井.csv", type: "CSV", tags: ["水"],
	dataMetaInfo: new IPortalDataMetaInfoParam({ xField: "x", yField: "y", fileEncoding: "GBK" }) }), form("井.csv", "x,y\\n1,2\\n"));
return { one, two };""")
        self.assertRegex(r["one"]["childID"], r"^\d+$")
        a, b = item(self.server, r["one"]["childID"]), item(self.server, r["two"]["childID"])
        self.assertEqual((a["fileName"], a["type"], a["tags"], a["status"]), ("民航 机场.json", "JSON", ["航空", "a,b"], "OK"))
        self.assertEqual((b["fileName"], b["coordType"]), ("井.csv", "WGS84"))
        self.assertEqual(b["dataMetaInfo"], {"xField": "x", "yField": "y", "fileEncoding": "GBK"})
        self.assertEqual(ask(self.server, "GET", f"{DATAS}/{a['id']}/download").body, '{"a":"井"}'.encode())

    def test_list_load_update_share_delete(self):
        r = self.run_script("""
const user = new IPortalUser(portal), made = [];
for (const name of ["l1.json", "l2.json"])
	made.push(Number((await user.addData(new IPortalAddDataParam({ fileName: name, type: "JSON", tags: ["list"] }), form(name, "{}"))).childID));
const out = { made };
out.listed = await list({ tags: ["list"], orderBy: "FILENAME", orderType: "DESC" });
const resource = new IPortalResource(portal, { resourceType: "DATA", resourceId: made[0] });
await resource.load();
out.loaded = resource.sourceJSON;
resource.sourceJSON.description = "geändert";
resource.sourceJSON.tags = ["list", "neu"];
out.updated = await resource.update();
const iportal = new IPortal(portal);
out.shared = await iportal.updateResourcesShareSetting(new IPortalShareParam({ ids: made, resourceType: "DATA",
	entities: [new IPortalShareEntity({ permissionType: "READ", entityType: "USER", entityName: "GUEST" })] }));
// An address of 2000 bytes becomes a POST, without what its query had: token, too.
out.long = await list({ tags: Array(400).fill("list"), keywords: ["l1"] });
out.foreign = await FetchRequest.get(portal + "/web/datas/" + made[1] + ".json").then((r) => r.json());
out.deleted = await user.deleteResources({ ids: [made[0]], resourceType: "DATA" });
const again = new IPortalResource(portal, { resourceType: "DATA", resourceId: made[0] });
out.gone = await again.load();
return out;""")
        one, two = r["made"]
        self.assertEqual([d["id"] for d in r["listed"]["content"]], [two, one])
        self.assertEqual(([d["id"] for d in r["long"]["content"]], len(r["long"]["searchParameter"]["tags"])), ([one], 400))
        self.assertEqual(r["loaded"]["fileName"], "l1.json")
        self.assertEqual(r["updated"], {"succeed": True})
        self.assertEqual(r["shared"], {"succeed": True})
        self.assertEqual((r["foreign"]["id"], r["foreign"]["authorizeSetting"]), (two, []))
        self.assertEqual(r["deleted"], {"succeed": True})
        self.assertEqual(r["gone"]["error"]["code"], 404)
        self.assertEqual([e["dataPermissionType"] for e in item(self.server, two)["authorizeSetting"]], ["DELETE", "DOWNLOAD"])

    def test_publish(self):
        r = self.run_script("""
const user = new IPortalUser(portal);
const text = "name,lon,lat\\nOder,14.5,52.3\\nSpree,13.4,52.5\\n";
const id = (await user.addData(new IPortalAddDataParam({ fileName: "rivers.csv", type: "CSV", tags: [],
	dataMetaInfo: new IPortalDataMetaInfoParam({ xField: "lon", yField: "lat" }) }), form("rivers.csv", text))).childID;
const service = await user.publishDataService({ dataId: id, serviceType: "RESTDATA,RESTMAP" });
let status;
for (let i = 0; i < 200; i++) {
	status = await user.getDataPublishedStatus(id, service);
	if (status.serviceStatus !== "PUBLISHING")
		break;
	await sleep(100);
}
const back = await user.unPublishDataService({ dataId: id, serviceType: "RESTDATA" });
const after = await user.getDataPublishedStatus(id, id);
return { id, service, status, back, after };""")
        self.assertEqual((r["service"], r["status"]["serviceStatus"]), (r["id"], "PUBLISHED"))
        self.assertEqual(r["back"], {"succeed": True, "customResult": r["id"]})
        self.assertEqual(r["after"]["serviceStatus"], "UNPUBLISHED")

    def test_chart_model_reads_content(self):
        """A chart of a data item that offers no services is drawn from its content."""
        share = [entity("GUEST", "DOWNLOAD")]
        place = [{"type": "Feature", "properties": {"name": "井"}, "geometry": {"type": "Point", "coordinates": [116.4, 39.9]}}]
        geojson = make(self.server, "chart.geojson", json.dumps({"type": "FeatureCollection", "features": place}).encode(), type="GEOJSON")
        csv = make(self.server, "chart.csv", "name,n\n井,7\n河,8\n".encode(), type="CSV")
        for made in (geojson, csv):
            ask(self.server, "PUT", f"/iportal/web/mycontent/datas/{made}/sharesetting.json", share)
        r = self.run_script("""
const read = (id) => new Promise((done, fail) => {
	const model = new ChartModel({ url: portal + "/web/datas/" + id, withCredentials: false, queryInfo: {} });
	model.events.on({ getdatafailed: (e) => fail(new Error(JSON.stringify(e))) });
	model.getDataInfoByIptl((results, how) => done({ how, features: results.result.features.features.map((f) => f.properties || f.attributes) }));
});
return { points: await read(%d), rows: await read(%d) };""" % (geojson, csv), register=False)
        self.assertEqual((r["points"]["how"], r["rows"]["how"]), ("content", "content"))
        self.assertEqual(r["points"]["features"][0]["name"], "井")
        self.assertEqual([(f["name"], str(f["n"])) for f in r["rows"]["features"]], [("井", "7"), ("河", "8")])

    def test_logins_tokens_and_keys(self):
        """Its security calls, from an origin that the site lists: what each sends, and what it makes of the answer."""
        server = harness.Server(f"[cors]\norigins = http://127.0.0.1:{self.pages.server_port}\n")
        self.addCleanup(server.close)
        key = server.slipway("key", "add", harness.USER[0], "--read-only").split()[-1]
        r = self.run_script("""
const iserver = portal.replace("/iportal", "/iserver"), out = {}, [name, password, key] = %s;
out.iserver = await SecurityManager.loginiServer(iserver, name, password, true);
out.iportal = await SecurityManager.loginiPortal(portal, name, password);
out.wrong = await SecurityManager.loginiPortal(portal, name, "not the one");
out.out = [await SecurityManager.logoutiServer(iserver), await SecurityManager.logoutiPortal(portal)];
SecurityManager.registerServers([new ServerInfo("ISERVER", { server: iserver }), new ServerInfo("IPORTAL", { server: portal })]);
const parameter = new TokenServiceParameter({ userName: name, password, clientType: "NONE", expiration: 60 });
out.tokens = [await SecurityManager.generateToken(iserver, parameter), await SecurityManager.generateToken(portal, parameter)];
const user = new IPortalUser(portal);
out.ids = [];
for (const token of out.tokens) {
	SecurityManager.registerToken(portal, token);
	out.ids.push((await user.addData(new IPortalAddDataParam({ fileName: "t.json", type: "JSON", tags: [] }), form("t.json", "{}"))).childID);
	SecurityManager.destroyToken(portal);
}
const resource = new IPortalResource(portal, { resourceType: "DATA", resourceId: out.ids[0] });
out.bare = await resource.load();
for (const address of [resource.resourceUrl + ".json", portal + "/web/mycontent/datas/" + out.ids[0] + ".json"])
	SecurityManager.registerKey(address, key);      // it knows keys by whole addresses
await resource.load();
out.read = resource.sourceJSON.fileName;
out.written = await user.request("DELETE", portal + "/web/mycontent/datas/" + out.ids[0] + ".json");
return out;""" % json.dumps([*harness.USER, key]), register=False,
                            portal=f"http://127.0.0.1:{server.port}/iportal")
        self.assertEqual(r["iserver"], {"referer": "/iserver/", "reason": None, "succeed": True})
        self.assertEqual(r["iportal"], {"referer": "/iportal/", "reason": None, "succeed": True})
        self.assertEqual((r["wrong"]["succeed"], r["wrong"]["error"]["code"], r["out"]), (False, 401, [True, True]))
        for token in r["tokens"]:
            self.assertRegex(token, r"^[A-Za-z0-9_-]{43}\.\.$")
        self.assertEqual([item(server, i)["status"] for i in r["ids"]], ["OK", "OK"])
        self.assertEqual((r["bare"]["error"]["code"], r["read"], r["written"]["error"]["code"]), (404, "t.json", 401))

    def test_workbook_and_its_file_sent_again(self):
        """A workbook with coordinates, and the file of an item sent again: the same item with other bytes."""
        r = self.run_script("""
const user = new IPortalUser(portal);
const made = await user.addData(new IPortalAddDataParam({ fileName: "井.xlsx", type: "EXCEL", tags: ["水"],
	dataMetaInfo: new IPortalDataMetaInfoParam({ xField: "x", yField: "y" }) }), form("井.xlsx", "PK-like"));
const again = await user.uploadDataRequest(made.childID, form("other.xlsx", "other bytes"));
const unknown = await user.uploadDataRequest(999999, form("x", "y"));
return { made, again, unknown, refused: await user.addData(new IPortalAddDataParam({ fileName: "", type: "JSON", tags: [] }), form("x", "y")) };""")
        id = r["made"]["childID"]
        self.assertEqual(r["again"], {"childID": id, "isAsynchronizedReturn": False, "childContent": None, "childUrl": None, "customResult": None})
        self.assertEqual((r["unknown"]["error"]["code"], r.get("refused")), (404, None))
        made = item(self.server, id)
        self.assertEqual((made["fileName"], made["type"], made["coordType"], made["dataMetaInfo"], made["size"]),
                         ("井.xlsx", "EXCEL", "WGS84", {"xField": "x", "yField": "y"}, 11))

    def test_without_a_token(self):
        r = self.run_script("""
const user = new IPortalUser(portal);
return { added: await user.request("POST", portal + "/web/mycontent/datas.json", '{"fileName":"x.csv"}') };""", register=False)
        self.assertEqual(r["added"]["error"]["code"], 401)


if __name__ == "__main__":
    unittest.main()
