/*
 * Goal: the gates that files pass before GDAL sees them take any bytes, and what they tell lies
 * inside the file.  The first byte of the input says which gate: (j)son, (x)ml, (g)rid, (s)hapefile
 * with its index and table, (w)kb, s(q)l of a schema; the rest is the file, in hexadecimal where it
 * begins with "hex" (hex.h).
 */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"
#include "hex.h"

#include "base/text.h"
#include "geo/gridgate.h"
#include "geo/jsongate.h"
#include "geo/prescan_sql.h"
#include "geo/shpgate.h"
#include "geo/wkbscan.h"
#include "geo/xmlgate.h"

/* A file of these bytes; the caller removes it. */
static void put(char path[static 32], const uint8_t *bytes, size_t n)
{
	(void)snprintf(path, 32, "/tmp/fuzz-gates-XXXXXX");
	int fd = mkstemp(path);

	fuzz_check(fd >= 0 && (n == 0 || write(fd, bytes, n) == (ssize_t)n) && close(fd) == 0);
}

static void check_json(const char *path, size_t n)
{
	struct json_facts f = {0};

	json_gate_file(path, &f);
	fuzz_check(f.objects >= 0 && strlen(f.crs_name) < JSON_CRS_NAME);
	if (f.crs_link)
		fuzz_check(f.crs_link_at >= 0 && f.crs_link_at + 4 <= (int64_t)n);
}

static void check_xml(const char *path)
{
	static const char *const roots[] = {"kml", "gpx", "FeatureCollection", NULL};
	enum xml_verdict any = xml_gate_file(path, NULL, NULL),
			 some = xml_gate_file(path, roots, "opengis.net/gml");

	fuzz_check((some == XML_FINE) == (xml_verdict_code(some) == NULL));
	fuzz_check(some != XML_FINE || any == XML_FINE);
	fuzz_check(any != XML_FOREIGN);
}

static void check_grid(const char *path)
{
	struct grid_facts f = {0};

	grid_gate_file(path, &f);
	fuzz_check(f.found >= 0 && f.expected >= 0 && memchr(f.bad, '\0', sizeof(f.bad)) != NULL);
}

/*
 * A third each is .shp, .shx and .dbf: a mutation of one moves the others, but lengths are in their
 * heads.
 */
static void check_shp(const uint8_t *bytes, size_t n)
{
	char shp[32], shx[32], dbf[32];
	struct error error = {0};

	put(shp, bytes, n / 3);
	put(shx, bytes + n / 3, n / 3);
	put(dbf, bytes + n / 3 * 2, n - n / 3 * 2);
	for (int with = 0; with < 2; with++)
		if (shp_gate(shp, shx, with ? dbf : NULL, &error) != ERR_OK)
			fuzz_check(error.err == ERR_BAD_REQUEST && error.text[0] != '\0');
	(void)unlink(shp);
	(void)unlink(shx);
	(void)unlink(dbf);
}

static void check_wkb(const uint8_t *bytes, size_t n)
{
	double env[4];
	uint8_t *exact = mem_alloc(n + (n == 0));

	if (n > 0)
		memcpy(exact, bytes, n);
	if (wkbscan(exact, n, env) && !isnan(env[0]))
		fuzz_check(env[0] <= env[1] && env[2] <= env[3] && isfinite(env[0]) &&
			   isfinite(env[3]));
	free(exact);
}

static void check_sql(const uint8_t *bytes, size_t n)
{
	static const char *const known[] = {"count", "st_isempty", "st_minx", NULL};
	char *sql = mem_strndup((const char *)bytes, n);

	fuzz_check(!prescan_is_rtree(sql) || prescan_is_virtual(sql));
	(void)prescan_calls_other(sql, known);
	(void)prescan_is_gpkg_trigger(sql);
	free(sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char path[32];

	if (size == 0)
		return 0;
	uint8_t gate = *input++, *bytes = mem_alloc(size);
	size_t n = --size;

	if (size > 3 && memcmp(input, "hex", 3) == 0)
		n = from_hex(input + 3, size - 3, bytes);
	else if (size > 0)
		memcpy(bytes, input, size);
	put(path, bytes, n);
	if (gate == 'j')
		check_json(path, n);
	else if (gate == 'x')
		check_xml(path);
	else if (gate == 'g')
		check_grid(path);
	else if (gate == 's')
		check_shp(bytes, n);
	else if (gate == 'w')
		check_wkb(bytes, n);
	else if (gate == 'q')
		check_sql(bytes, n);
	(void)unlink(path);
	free(bytes);
	return 0;
}
