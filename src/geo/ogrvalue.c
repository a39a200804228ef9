#include "geo/ogrvalue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/charset.h"
#include "base/json.h"
#include "base/mem.h"
#include "geo/rows_impl.h"

#define FINER_MS 0.01
#define ZONE_GMT 100 /* OGR: 1 local, 100 GMT, each further step 15 minutes */

const char *ogrvalue_type(OGRFieldDefnH f)
{
	switch (OGR_Fld_GetType(f)) {
	case OFTInteger:
		return OGR_Fld_GetSubType(f) == OFSTBoolean ? "boolean" : "integer";
	case OFTInteger64:
		return "integer";
	case OFTReal:
		return "real";
	case OFTDate:
		return "date";
	case OFTTime:
		return "time";
	case OFTDateTime:
		return "datetime";
	case OFTBinary:
		return "binary";
	case OFTString:
	case OFTIntegerList:
	case OFTInteger64List:
	case OFTRealList:
	case OFTStringList:
	case OFTWideString:
	case OFTWideStringList:
		return "text";
	}
	return "text";
}

char *ogrvalue_name(OGRFieldDefnH f)
{
	const char *s = OGR_Fld_GetNameRef(f);

	return charset_decode("UTF-8", s, strlen(s), NULL, NULL);
}

/* A date, time or datetime field: ISO 8601 with a zone where the field has one.  Returns its
 * length. */
static size_t ogrvalue_iso(OGRFeatureH feature, int field, char out[OGRVALUE_ISO])
{
	OGRFieldType type = OGR_Fld_GetType(OGR_F_GetFieldDefnRef(feature, field));
	int y, mon, d, h, min, zone, n = 0;
	float sec;

	out[0] = '\0';
	if (!OGR_F_GetFieldAsDateTimeEx(feature, field, &y, &mon, &d, &h, &min, &sec, &zone))
		return 0;
	if (type != OFTTime)
		n = snprintf(out, OGRVALUE_ISO, "%04d-%02d-%02d", y, mon, d);
	if (type == OFTDate)
		return (size_t)n;
	if (type == OFTDateTime)
		out[n++] = 'T';
	/* Seconds of 32 bits: beyond thousandths four more of a million are noise. */
	if (fabs((double)sec * 1000 - round((double)sec * 1000)) > FINER_MS)
		n += snprintf(out + n, (size_t)(OGRVALUE_ISO - n), "%02d:%02d:%09.6f", h, min,
			      (double)sec);
	else if (sec != floorf(sec))
		n += snprintf(out + n, (size_t)(OGRVALUE_ISO - n), "%02d:%02d:%06.3f", h, min,
			      (double)sec);
	else
		n += snprintf(out + n, (size_t)(OGRVALUE_ISO - n), "%02d:%02d:%02d", h, min,
			      (int)sec);
	if (type == OFTDateTime && zone == ZONE_GMT) {
		n += snprintf(out + n, (size_t)(OGRVALUE_ISO - n), "Z");
	} else if (type == OFTDateTime && zone > 1) {
		int east = (zone - ZONE_GMT) * 15;

		n += snprintf(out + n, (size_t)(OGRVALUE_ISO - n), "%c%02d:%02d",
			      east < 0 ? '-' : '+', abs(east) / 60, abs(east) % 60);
	}
	return (size_t)n;
}

/* A list field as a JSON array: no mark between the items could be told from one inside them.
 * Caller frees. */
static char *list_text(OGRFeatureH feature, int field, OGRFieldType type)
{
	CLEAN_JSON json_object *a = json_object_new_array();
	bool boolean = OGR_Fld_GetSubType(OGR_F_GetFieldDefnRef(feature, field)) == OFSTBoolean;
	int n = 0;

	if (type == OFTStringList) {
		char **v = OGR_F_GetFieldAsStringList(feature, field);

		for (; v != NULL && *v != NULL; v++) {
			CLEAN_FREE char *s = charset_decode("UTF-8", *v, strlen(*v), NULL, NULL);

			json_object_array_add(a, json_object_new_string(s));
		}
	} else if (type == OFTRealList) {
		const double *v = OGR_F_GetFieldAsDoubleList(feature, field, &n);

		for (int i = 0; i < n; i++)
			json_object_array_add(a,
					      isfinite(v[i]) ? json_object_new_double(v[i]) : NULL);
	} else if (type == OFTInteger64List) {
		const GIntBig *v = OGR_F_GetFieldAsInteger64List(feature, field, &n);

		for (int i = 0; i < n; i++)
			json_object_array_add(a, json_object_new_int64(v[i]));
	} else {
		const int *v = OGR_F_GetFieldAsIntegerList(feature, field, &n);

		for (int i = 0; i < n; i++)
			json_object_array_add(a, boolean ? json_object_new_boolean(v[i] != 0)
							 : json_object_new_int(v[i]));
	}
	return json_print(a, NULL);
}

const char *ogrvalue_text(OGRFeatureH feature, int field, char buf[OGRVALUE_ISO], char **own,
			  size_t *ret_len, bool *ret_bad)
{
	OGRFieldType type = OGR_Fld_GetType(OGR_F_GetFieldDefnRef(feature, field));
	const char *s;
	size_t len;

	*ret_bad = false;
	if (type == OFTDate || type == OFTTime || type == OFTDateTime) {
		*ret_len = ogrvalue_iso(feature, field, buf);
		return buf;
	}
	if (type == OFTIntegerList || type == OFTInteger64List || type == OFTRealList ||
	    type == OFTStringList) {
		free(*own);
		s = *own = list_text(feature, field, type);
	} else {
		s = OGR_F_GetFieldAsString(feature, field);
	}
	len = strlen(s);
	if (rows_utf8_valid(s, len) < len) {
		char *decoded = charset_decode("UTF-8", s, len, &len, NULL);

		free(*own);
		*own = decoded;
		s = decoded;
		*ret_bad = true;
	}
	*ret_len = len;
	return s;
}
