#include "geo/geomcell.h"

#include <cpl_error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"

#define NESTING_MAX 32
#define EWKB_SRID   0x20000000U /* PostGIS: a 4-byte SRID follows the type */

static void trim(const char **s, size_t *len)
{
	while (*len > 0 && ((unsigned char)**s <= ' ')) {
		(*s)++;
		(*len)--;
	}
	while (*len > 0 && (unsigned char)(*s)[*len - 1] <= ' ')
		(*len)--;
}

static bool begins(const char *s, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len > n && strncasecmp(s, word, n) == 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

enum geom_format geomcell_sniff(const char *s, size_t len)
{
	static const char *const words[] = {"POINT",	     "LINESTRING",	   "POLYGON",
					    "MULTI",	     "GEOMETRYCOLLECTION", "CIRCULARSTRING",
					    "COMPOUNDCURVE", "CURVEPOLYGON",	   "TRIANGLE",
					    "TIN",	     "POLYHEDRALSURFACE"};

	trim(&s, &len);
	if (len < 7)
		return GEOM_NONE;
	if (*s == '{')
		return GEOM_GEOJSON;
	if (begins(s, len, "SRID="))
		return GEOM_EWKT;
	if (*s == '0' && (s[1] == '0' || s[1] == '1') && len >= 18 && len % 2 == 0) {
		for (size_t i = 2; i < 18; i++)
			if (hex(s[i]) < 0)
				return GEOM_NONE;
		return GEOM_WKB;
	}
	/* A letter first, and the brackets (or EMPTY) that prose has not. */
	if (s[len - 1] != ')' && (s[len - 1] | 0x20) != 'y')
		return GEOM_NONE;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (begins(s, len, words[i]))
			return GEOM_WKT;
	return GEOM_NONE;
}

const char *geomcell_name(enum geom_format f)
{
	static const char *const names[GEOM__MAX] = {
	    [GEOM_WKT] = "WKT",
	    [GEOM_EWKT] = "EWKT",
	    [GEOM_WKB] = "WKB",
	    [GEOM_GEOJSON] = "GeoJSON",
	};

	return names[f];
}

/* Deepest nesting of brackets; no parser sees more than NESTING_MAX. */
static bool is_shallow(const char *s, size_t len)
{
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '(' || s[i] == '[' || s[i] == '{')
			depth++;
		else if (s[i] == ')' || s[i] == ']' || s[i] == '}')
			depth--;
		if (depth > NESTING_MAX)
			return false;
	}
	return true;
}

static OGRGeometryH from_wkt(const char *s)
{
	OGRGeometryH g = NULL;
	char *rest = (char *)(uintptr_t)s; /* GDAL's prototype: it reads only */

	if (OGR_G_CreateFromWkt(&rest, NULL, &g) != OGRERR_NONE || g == NULL)
		return NULL;
	while (*rest != '\0' && (unsigned char)*rest <= ' ')
		rest++;
	if (*rest == '\0')
		return g;
	OGR_G_DestroyGeometry(g);
	return NULL;
}

/* "SRID=4326;POINT(…)" */
static OGRGeometryH from_ewkt(const char *s, int *ret_srid)
{
	const char *semi = strchr(s, ';');
	char digits[12];
	int64_t n;

	if (semi == NULL || (size_t)(semi - s - 5) >= sizeof digits)
		return NULL;
	memcpy(digits, s + 5, (size_t)(semi - s - 5));
	digits[semi - s - 5] = '\0';
	if (!text_int(digits, 0, INT32_MAX, &n))
		return NULL;
	*ret_srid = (int)n;
	return from_wkt(semi + 1);
}

/* Hex to bytes in place of S; PostGIS's SRID is taken out. */
static OGRGeometryH from_wkb(char *s, size_t len, int *ret_srid)
{
	unsigned char *b = (unsigned char *)s;
	size_t n = len / 2;
	uint32_t type, srid;
	OGRGeometryH g = NULL;

	for (size_t i = 0; i < n; i++) {
		int hi = hex(s[2 * i]), lo = hex(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return NULL;
		b[i] = (unsigned char)(hi << 4 | lo);
	}
	memcpy(&type, b + 1, 4);
	if (b[0] == 0)
		type = __builtin_bswap32(type);
	if ((type & EWKB_SRID) != 0 && n > 9) {
		memcpy(&srid, b + 5, 4);
		srid = b[0] == 0 ? __builtin_bswap32(srid) : srid;
		*ret_srid = srid <= INT32_MAX ? (int)srid : 0;
		type &= ~EWKB_SRID;
		type = b[0] == 0 ? __builtin_bswap32(type) : type;
		memcpy(b + 1, &type, 4);
		memmove(b + 5, b + 9, n - 9);
		n -= 4;
	}
	return OGR_G_CreateFromWkb(b, NULL, &g, (int)n) == OGRERR_NONE ? g : NULL;
}

static bool is_finite(OGRGeometryH g)
{
	OGREnvelope3D e;

	if (OGR_G_IsEmpty(g))
		return true;
	OGR_G_GetEnvelope3D(g, &e);
	return isfinite(e.MinX) && isfinite(e.MaxX) && isfinite(e.MinY) && isfinite(e.MaxY) &&
	       isfinite(e.MinZ) && isfinite(e.MaxZ);
}

OGRGeometryH geomcell_parse(const char *s, size_t len, int *ret_srid)
{
	enum geom_format f = geomcell_sniff(s, len);
	char small[1024], *copy = small;
	OGRGeometryH g = NULL;

	*ret_srid = 0;
	if (f == GEOM_NONE || len > INT32_MAX || (f != GEOM_WKB && !is_shallow(s, len)) ||
	    memchr(s, '\0', len) != NULL)
		return NULL;
	trim(&s, &len);
	if (len >= sizeof small)
		copy = mem_alloc(len + 1);
	memcpy(copy, s, len);
	copy[len] = '\0';
	CPLPushErrorHandler(CPLQuietErrorHandler);
	if (f == GEOM_WKT)
		g = from_wkt(copy);
	else if (f == GEOM_EWKT)
		g = from_ewkt(copy, ret_srid);
	else if (f == GEOM_WKB)
		g = from_wkb(copy, len, ret_srid);
	else
		g = OGR_G_CreateGeometryFromJson(copy);
	CPLPopErrorHandler();
	if (copy != small)
		free(copy);
	if (g != NULL && !is_finite(g)) {
		OGR_G_DestroyGeometry(g);
		g = NULL;
	}
	return g;
}
