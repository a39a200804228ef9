/*
 * Geometries of a GeoPackage: the binary header, envelopes, promotion to multi types.
 * Source: OGC 12-128r18, 2.1.3 (GeoPackageBinary), ISO 13249-3 WKB.
 */
#include "geo/gpkg_db.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

#define HEAD_BYTES  8  /* magic, version, flags, srs_id */
#define ENV_BYTES   32 /* minx, maxx, miny, maxy */
#define FLAG_LITTLE 0x01
#define FLAG_ENV_XY 0x02 /* envelope code 1 in bits 1-3 */
#define FLAG_EMPTY  0x10

static void head(const struct gpkg *g, unsigned char *p, unsigned flags)
{
	p[0] = 'G';
	p[1] = 'P';
	p[2] = 0;
	p[3] = (unsigned char)(flags | FLAG_LITTLE);
	memcpy(p + 4, &g->srs_id, 4);
}

void gpkg_no_geometry(struct gpkg *g)
{
	g->kind = -1;
	sqlite3_bind_null(g->insert, 2);
}

void gpkg_point(struct gpkg *g, double x, double y)
{
	static const unsigned char wkb_point[5] = {1, 1, 0, 0, 0};

	if (g->declared > 1) { /* points for a MULTIPOINT table */
		unsigned char wkb[21];
		const double env[4] = {x, x, y, y};

		memcpy(wkb, wkb_point, 5);
		memcpy(wkb + 5, &x, 8);
		memcpy(wkb + 13, &y, 8);
		gpkg_wkb(g, wkb, sizeof wkb, env);
		return;
	}
	head(g, g->point, 0);
	memcpy(g->point + 8, wkb_point, 5);
	memcpy(g->point + 13, &x, 8);
	memcpy(g->point + 21, &y, 8);
	sqlite3_bind_blob(g->insert, 2, g->point, 29, SQLITE_STATIC);
	g->kind = 1;
	g->z = g->m = false;
	g->env[0] = g->env[1] = x;
	g->env[2] = g->env[3] = y;
}

static uint32_t wkb_type(const unsigned char *wkb)
{
	uint32_t type;

	memcpy(&type, wkb + 1, 4);
	return type;
}

/* The 9 bytes before a single geometry that make it a multi geometry of one part. */
static void multi_prefix(unsigned char out[9], uint32_t single)
{
	const uint32_t type = single + 3, one = 1;

	out[0] = 1;
	memcpy(out + 1, &type, 4);
	memcpy(out + 5, &one, 4);
}

void gpkg_wkb(struct gpkg *g, const void *wkb, size_t len, const double env[4])
{
	uint32_t type = wkb_type(wkb), kind = type % 1000;
	bool is_empty = isnan(env[0]),
	     promote = g->declared >= 4 && g->declared <= 6 && (int)kind == g->declared - 3;
	bool with_env = !is_empty && (kind != 1 || promote);
	size_t need = HEAD_BYTES + ENV_BYTES + 9 + len, at = HEAD_BYTES;

	if (need > g->blob_cap) {
		g->blob = mem_resize(g->blob, need + need / 2, 1);
		g->blob_cap = need + need / 2;
	}
	head(g, g->blob, (with_env ? FLAG_ENV_XY : 0U) | (is_empty ? FLAG_EMPTY : 0U));
	if (with_env) {
		memcpy(g->blob + at, env, ENV_BYTES);
		at += ENV_BYTES;
	}
	if (promote && is_empty) { /* MULTI… EMPTY, not a collection of an empty part */
		const uint32_t none = 0;

		multi_prefix(g->blob + at, type);
		memcpy(g->blob + at + 5, &none, 4);
		at += 9;
		len = 0;
	} else if (promote) {
		multi_prefix(g->blob + at, type);
		at += 9;
	}
	memcpy(g->blob + at, wkb, len);
	sqlite3_bind_blob64(g->insert, 2, g->blob, at + len, SQLITE_STATIC);
	g->kind = (int)(promote ? kind + 3 : kind);
	g->z = type / 1000 == 1 || type / 1000 == 3;
	g->m = type / 1000 == 2 || type / 1000 == 3;
	memcpy(g->env, env, sizeof g->env);
}

enum err gpkg_geom_row(struct gpkg *g, struct error *error)
{
	const double *e = g->env;

	if (g->kind < 0)
		return ERR_OK;
	g->kinds[g->kind < GPKG_KINDS ? g->kind : 0] = true;
	*(g->z ? &g->with_z : &g->without_z) = true;
	*(g->m ? &g->with_m : &g->without_m) = true;
	if (isnan(e[0]))
		return ERR_OK;
	if (!g->has_extent) {
		g->extent[0] = e[0];
		g->extent[1] = e[2];
		g->extent[2] = e[1];
		g->extent[3] = e[3];
		g->has_extent = true;
	} else {
		g->extent[0] = e[0] < g->extent[0] ? e[0] : g->extent[0];
		g->extent[1] = e[2] < g->extent[1] ? e[2] : g->extent[1];
		g->extent[2] = e[1] > g->extent[2] ? e[1] : g->extent[2];
		g->extent[3] = e[3] > g->extent[3] ? e[3] : g->extent[3];
	}
	return rtree_add(g->tree, g->row, e, error);
}

static void sql_multi(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const unsigned char *b = sqlite3_value_blob(argv[0]);
	int len = sqlite3_value_bytes(argv[0]), at;
	uint32_t kind;
	unsigned char *out;

	(void)argc;
	at = b == NULL || len < HEAD_BYTES ? -1
					   : HEAD_BYTES + ((b[3] >> 1 & 7) == 1 ? ENV_BYTES : 0);
	if (at < 0 || len < at + 9 || b[at] != 1 || (kind = wkb_type(b + at) % 1000) < 1 ||
	    kind > 3) {
		sqlite3_result_value(ctx, argv[0]);
		return;
	}
	out = sqlite3_malloc(len + 9);
	if (out == NULL)
		mem_die();
	memcpy(out, b, (size_t)at);
	multi_prefix(out + at, wkb_type(b + at));
	if (b[3] & FLAG_EMPTY) {
		memset(out + at + 5, 0, 4);
		len = at;
	} else {
		memcpy(out + at + 9, b + at, (size_t)(len - at));
	}
	sqlite3_result_blob64(ctx, out, (sqlite3_uint64)len + 9, sqlite3_free);
}

enum err gpkg_geom_functions(struct gpkg *g, struct error *error)
{
	if (sqlite3_create_function(g->db, "slipway_multi", 1,
				    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
				    sql_multi, NULL, NULL) != SQLITE_OK)
		return gpkg_error(g, "function", error);
	return ERR_OK;
}
