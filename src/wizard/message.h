/*
 * What worker (and front) and jail say to each other: frames of JSON (base/child.h).  This header
 * is the contract of slipway-geo.
 *
 * slipway-geo [--job DIR]      DIR holds in/ (read only) and out/ (the only writable place)
 *   → {"type":"ready","level":3,"gdal":"3.6.2","proj":"9.1.1"}
 *   ← one job, then: → {"type":"progress",…}*  and exactly one → {"type":"result",…} or
 *   {"type":"failed",…}
 *   Without --job only the questions "srs" and "preview" are answered, any number of them, until
 *   end of input.
 *
 * progress {"type":"progress","phase":"inspect|import|export","message":"writing" (a key below text
 * "progress.*"),
 *           "layer":"roads","done":1200,"total":5000 (-1 unknown),"rows_bad":3}
 * failed   {"type":"failed","problems":[problem…],"detail":"driver's text, for the log only"}
 *
 * JOB inspect
 *   {"type":"job","task":"inspect","files":[{"n":1,"name":"roads.shp","path":"1.shp","size":1234}…]
 *   (path below in/; files of
 *                                    one stem share the number in front: 1.shp, 1.dbf, 1.shp.xml)
 *    "charset":"GBK"|null,            literal charset of save or of a page
 *    "dialects":{"<layer index or '*'>":{"charset","delimiter","header","decimal","sheet"}},
 *    overrides of the csv page
 *    "mosaic":{"wanted":bool,"regex":text|null,"value":text|null}, "drivers":"HFA …" (enabled
 *    extras),
 *    "favourites":"EPSG:3857 …" (codes to suggest for a layer without CRS, the best first),
 *    "limits":{"zip_max_entries":…,"zip_max_bytes":…,…}, "digests":true}
 *   result {"type":"result","kind":"shp","name":"roads" (session name: zip's or file's stem),
 *    "bundles":[{"i":0,"kind":"shp","stem":"roads","files":["roads.shp","roads.dbf"…] (member names
 *    in a zip)}],
 *    "layers":[LAYER…],"warnings":[problem…],"metadata":{"title","abstract","keywords","uuid"}
 *    (from xml_file),
 *    "digests":[{"n":1,"md5":…,"sha256":…}]}
 *   Files left in out/: preview-<i>.json, a GeoJSON geometry sample of layer i in the layer's own
 *   coordinates (at most
 *   2000 features, 256 KiB), preview-<i>.png for rasters (at most 512 px).
 *
 * LAYER {"i":0,"bundle":0,"name":"roads" (display),"kind":"vector|raster|table","driver":"ESRI
 * Shapefile",
 *    "source_layer":"roads" (name inside the source),"file":"roads.shp",
 *    "member":"a/roads.shp"|null,
 *    "geometry":"Point|LineString|…|Unknown|None","count":812,"extent":[minx,miny,maxx,maxy]|null,
 *    "selected":true,
 *    "crs":{"code":"EPSG:4326"|null,"name","wkt","source":"file|match|definition|none",
 *    "confidence":100,"usable":bool},
 *    "native_crs":"wkt as in the file"|null,"candidates":[{"code","name","confidence","fit"}],
 *    "supported":[{"code","name","fit"}]  suggestions of 10.3 with their fit,
 *    "encoding":{"charset","source"}|null,
 *    "columns":[COLUMN…],"preview":{"columns":["name"…],"rows":[{"row":2,"cells":["…"|null…]}…20],
 *    "total_rows":812},
 *    "dialect":{"charset","charset_source","delimiter","header":"yes|no|<row>","decimal",".",
 *    "quote":"\""}|null (tables),
 *    "sheets":[{"name","rows","hidden"}]|null,"sheet":"…"|null,
 *    "raster":{"width","height","bands","dtype","nodata","pixel":[x,y],"colors"}|null,
 *    "overlay":{"bounds":[w,s,e,n],"rotation"}|null,"mosaic":{"granules":[{"bundle",
 *    "time":ms}]}|null,
 *    "warnings":[problem…]}
 *
 * COLUMN {"i":0,"name":"lat" (cleaned, 17.4),"original":"Lat (°)",
 * "type":"integer|real|text|date|datetime|boolean|time|binary",
 *    "nulls":n,"values":n (non-empty),"min","max" (number or ISO text),"samples":["…"…5],
 *    "numeric":n values that are numbers (9.6),"lat_ok":n inside ±90,"lng_ok":n inside -180..360,
 *    "years_ok":n in 1000..2999,
 *    "year_range":bool all in -9999..9999 and whole,"dms":bool,
 *    "first_bad":{"row","line","value"}|null  first value that is not a number,
 *    "geom":{"format":"WKT|EWKT|WKB|GeoJSON","ok":n,"srid":n|0,"first_bad":{…}}|null,
 *    "time":{"ok":n,"bad":n,"format":"yyyy-MM-dd"|null,"ambiguous":bool,"first_bad":{"row",
 *    "value"}|null,"min":ms,"max":ms,
 *            "distinct":n,"formats":["d/M/yyyy","M/d/yyyy"] (both candidates, only when
 *            ambiguous)}|null,
 *    "decimal_comma":bool,"type_bad":{"integer":{"row","value"},"real":{…},…}  first cell that does
 *    not fit a type,
 *    "use":bool (true; false: the file says nothing for it, it is left out unless asked for),
 *    "survey_x":n values in 2.0e6..6.0e6,"survey_zone":{"zone":39,"ok":n}|null}
 *
 * JOB import
 *   {"type":"job","task":"import","files":[…],"kind":"…","drivers":…,"limits":{…},"charset":…,
 *   "mosaic":{…},
 *    "layers":[{"i":0, LAYER members needed to find it again (bundle, driver, source_layer, file,
 *    member, kind, sheet),
 *       "table":"roads" (dataset name),"title","srs":{"source":"EPSG:4326"|wkt,
 *       "target":""|"EPSG:3857"},
 *       "dialect":{…},"charset":…,"geometry":{"mode":"native|latlng|column|none","lat":i,"lng":i,
 *       "column":i,"dms":bool,"tell":bool (nobody has looked at the values before: rows that get no
 *       place are warnings)},
 *       "columns":[{"i","name","original","type","use":bool,"decimal_comma":bool}],
 *       "bad_rows":"keep|skip|fail",
 *       "decimal":"."|","|null (null: per column),"overlay":{…}|null,
 *       "time":{"start":{"column":i,"kind":"date|text|year","format"},"end":{…}|null,
 *       "zone":"UTC|+08:00"}|null,
 *       "may_be_empty":bool (a table without rows is one, too),
 *       "mode":"create|append|overwrite","target":{"file":"target-0.gpkg" (in in/),"table"}|null,
 *       "extra_columns":"error|ignore"}]}
 *   result {"type":"result","layers":[{"i":0,"status":"imported|failed","problems":[…],
 *   "file":"0.gpkg"|"0.tif" (in out/),
 *       "type":"vector|raster|table","table","geometry","count","rows":{"total","imported",
 *       "without_geometry","skipped"},
 *       "extent":[…]|null,"bbox_wgs84":[w,s,e,n]|null,"crs":{"code","name","wkt"}|null,
 *       "info":{"old":"new"},
 *       "columns":[{"name","original","type","nulls","min","max","samples":[…]}],
 *       "sample_rows":[[…]…20],
 *       "time":{"start":ms,"end":ms,"positions":n,"bad":n}|null,"raster":{…}|null,
 *       "map":"0.map.json"|"0.map.png"|null,
 *       "map_bounds":[w,s,e,n]|null (image corners in WGS 84),"thumbnail":"0.png"|null,
 *       "size":bytes}],
 *    "report":"report.jsonl"|null  first 1000 row problems, one JSON object a line, last line
 *    {"total":n}, "warnings":[…]}
 *   Each layer's file is complete (fsynced by the worker).  A layer that fails leaves no file.
 *
 * JOB export
 *   {"type":"job","task":"export","file":"1.gpkg","type_of":"vector|table|raster","table":"roads",
 *   "title":"Roads",
 *    "format":"gpkg|geojson|csv|shp|fgb|kml|xlsx|tif"}
 *   result {"type":"result","file":"export.zip","warnings":[…]}
 *
 * JOB unpack
 *   {"type":"job","task":"unpack","files":[one archive],"names":charset of names that are not
 *   UTF-8,
 *    "denied":".php .jsp …" extensions, "limits":{"zip_max_bytes","zip_max_entries",
 *    "upload_min_free","output_max_bytes",…}}
 *   result {"type":"result","entries":n,"bytes":n,"warnings":[]}  and the files under their own
 *   names in out/tree/
 *
 * JOB rows   (the file of a signed import as lines for a receiver's columns:
 * contracts/signed-api.md 7.2)
 *   {"type":"job","task":"rows","files":[one],"columns":[{"name",
 *   "type":"text|integer|real|boolean|date|timestamp|json"}…]
 *    in the receiver's order,"file":{the file keys of 7.2},"max_rows":n|0,"limits":{…}}
 *   out/rows.jsonl: one JSON array of cells a line, in the order of "columns": null, true, false,
 *   numbers as they stood, texts (src/signed/ds.h, lines_open).  out/gaps.jsonl: [line,row] with
 *   the number that the file's own program shows for the line's row, for the first line and each
 *   one whose row does not follow the row before.
 *   result {"type":"result","kind":"xlsx|xls|ods|csv|tsv","rows":lines,"columns":[header as it
 *   stands…] (empty: no header),
 *    "bad":[{"row","column":header,"reason":"date|number|encoding|cells"}…20],"bad_rows":n (not
 *    among the lines),
 *    "gaps":n lines of gaps.jsonl,"warnings":[problem…]}
 *   Refusals are problems: file_empty, content_mismatch, format_unreadable, xml_forbidden, zip_…,
 *   csv_…, sheet_unknown, and rows_encrypted, rows_xls, rows_macro, rows_not_table, rows_type,
 *   rows_no_table, rows_tables, rows_no_header, rows_missing, rows_duplicate, rows_extra,
 *   rows_limit.
 *
 * QUESTION srs (no files)
 *   {"type":"job","task":"srs","codes":["EPSG:2249"…],"wkt":text|null,"extent":[…]|null,
 *   "extent_crs":null,"target":code|""}
 *   result {"type":"result","answers":[{"code","name",
 *   "kind":"geographic|projected|compound|vertical|geocentric|temporal|other",
 *     "wkt","deprecated":bool,"replaced_by":code|null,"area":"…","area_bbox":[w,s,e,n]|null,
 *     "fit":"impossible|outside|partly|inside|unknown","place":[lon,lat]|null,"transform":bool (to
 *     target),"found":bool}],
 *     "target":{same}|null}
 * QUESTION preview
 *   {"type":"job","task":"preview","geojson":{…},"srs":"EPSG:2249"|wkt} → {"type":"result",
 *   "geojson":{…WGS 84…}}
 */
#ifndef SLIPWAY_WIZARD_MESSAGE_H
#define SLIPWAY_WIZARD_MESSAGE_H

#include "wizard/session.h"

/*
 * Build the jobs from a session (frozen inputs) and the configuration.  Caller frees.
 * Besides the inputs these members of the session's document count: "dialects" {"<layer index>|*":
 * overrides} while the csv step is being read again; "last_crs" (a code: suggested first); "target"
 * {"mode","dataset","table"} for append (the
 * worker puts the dataset's file at in/target-<i>.gpkg); "datasets" [{"layer" or "i","status"}]:
 * layers that are imported already are left out of a repeated import.
 */
struct config;
json_object *message_inspect(const struct session *, const struct config *);
json_object *message_import(const struct session *, const struct config *);

/*
 * The job "rows" for the file NAME, put at in/1.bin.  Takes COLUMNS; FILE is copied.  Caller frees.
 */
json_object *message_rows(const struct config *, const char *name, json_object *columns,
			  const json_object *file, int64_t max_rows);
/*
 * The job "import" of one CSV (UTF-8, commas, a header) of our own at in/1.csv into the new table
 * TABLE.  COLUMNS:
 * [{"name","type" (of COLUMN)}] in its order; GEOMETRY as in a layer; SRS: code or WKT, NULL =
 * none.  Takes COLUMNS and GEOMETRY.  Caller frees.
 */
json_object *message_table(const struct config *, const char *table, json_object *columns,
			   json_object *geometry, const char *srs);

/*
 * Check what a jail sent before anybody believes it: every length, index, enum, string and number.
 * False and a sentence for the log in ERROR when it is not what this header says.  Unknown members
 * are dropped.
 */
enum err message_check_inspect(json_object *result, size_t n_files, struct error *);
enum err message_check_import(json_object *result, const json_object *job, struct error *);
enum err message_check_rows(json_object *result, struct error *);
enum err message_check_progress(json_object *progress, struct error *);
enum err message_check_failed(json_object *failed, struct error *);

#endif
