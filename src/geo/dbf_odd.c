/*
 * Cells of a .dbf that GDAL takes for nothing or reads in part, and rows without a counterpart in
 * the .shp. Source: dBASE III+ file format; ESRI Shapefile Technical Description, 1998.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/isotime.h"
#include "geo/layer.h"
#include "geo/ogrvalue.h"
#include "geo/shpgate.h"
#include "wizard/number.h"

#define BLOCK	  (256 << 10)
#define NAME_MOST 200 /* bytes of a column that is told */
#define CELL_MOST 255 /* bytes: their width is one */
/* digits from which on GDAL, which writes asterisks for none, makes its columns */
#define WIDE 9

/* Values of a column that are told together, and the first of them. */
struct found {
	int64_t count, row;
	char value[CELL_MOST + 1];
};

struct field {
	OGRFieldType type;
	size_t at, width;
	struct found odd, stars;
	bool blank;	/* some cells say none by blanks */
	size_t longest; /* number */
};

static void find(struct found *f, int64_t row, const char *s, size_t len)
{
	if (f->count++ > 0)
		return;
	f->row = row;
	memcpy(f->value, s, len);
	f->value[len] = '\0';
}

static bool is_integer(const char *s, size_t len)
{
	size_t sign = *s == '-' || *s == '+';

	return len > sign && strspn(s + sign, "0123456789") >= len - sign;
}

static bool is_day(const char *s, size_t len)
{
	struct isotime t;
	char iso[16];

	if (len != 8)
		return false;
	(void)snprintf(iso, sizeof(iso), "%.4s-%.2s-%.2s", s, s + 4, s + 6);
	return isotime_parse(iso, 10, &t);
}

static void look(struct field *f, const char *cell, int64_t row)
{
	char text[CELL_MOST + 1];
	const char *s = text;
	size_t len = f->width;
	double v;
	bool fits;

	memcpy(text, cell, len);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\0'))
		len--;
	text[len] = '\0';
	for (; len > 0 && *s == ' '; len--)
		s++;
	if (len == 0 || *s == '\0') {
		f->blank = true;
		return;
	}
	if (f->type == OFTDate) {
		fits = is_day(s, len) || strspn(s, "0") == len;
	} else if (strspn(s, "*") == len) {
		find(&f->stars, row, s, len);
		return;
	} else {
		fits = f->type == OFTReal ? number_parse(s, len, false, &v) : is_integer(s, len);
		f->longest = len > f->longest ? len : f->longest;
	}
	if (!fits)
		find(&f->odd, row, s, len);
}

/* The fields worth a look, in the order of LAYER's; how many. */
static size_t fields_of(int fd, int64_t header, int64_t row, OGRLayerH layer, struct field **ret,
			int **ret_index)
{
	OGRFeatureDefnH defn = OGR_L_GetLayerDefn(layer);
	int all = OGR_FD_GetFieldCount(defn);
	struct field *v = mem_array((size_t)all + 1, sizeof(*v));
	int *index = mem_array((size_t)all + 1, sizeof(*index));
	size_t n = 0, at = 1;
	unsigned char d[32];

	for (int i = 0; i < all && 32 * (i + 2) <= header; i++) {
		OGRFieldType type = OGR_Fld_GetType(OGR_FD_GetFieldDefn(defn, i));

		if (pread(fd, d, sizeof(d), 32 * (i + 1)) != (ssize_t)sizeof(d) ||
		    (int64_t)(at + d[16]) > row)
			break;
		if ((d[11] == 'N' || d[11] == 'F' || d[11] == 'D') && d[16] > 0 &&
		    type != OFTString) {
			index[n] = i;
			v[n++] = (struct field){.type = type, .at = at, .width = d[16]};
		}
		at += d[16];
	}
	*ret = v;
	*ret_index = index;
	return n;
}

static void tell_found(struct job *job, const char *file, OGRFieldDefnH defn, const struct found *f,
		       const char *reason)
{
	CLEAN_FREE char *column = ogrvalue_name(defn);
	CLEAN_FREE char *value =
	    text_is_utf8(f->value, strlen(f->value)) ? mem_strdup(f->value) : mem_strdup("?");
	json_object *p =
	    problem_str(problem_str(problem_new("values_odd"), "file", file), "column", column);

	column[text_cut(column, strlen(column), NAME_MOST)] = '\0';
	problem_str(p, "column", column);
	problem_int(problem_str(p, "value", value), "row", f->row);
	job_warn(job, problem_arg_int(problem_arg(p, "reason", reason), "count", f->count));
}

static void tell(struct job *job, const char *file, OGRLayerH layer, const struct field *v,
		 const int *index, size_t n)
{
	OGRFeatureDefnH defn = OGR_L_GetLayerDefn(layer);

	for (size_t i = 0; i < n; i++) {
		const struct field *f = &v[i];
		OGRFieldDefnH field = OGR_FD_GetFieldDefn(defn, index[i]);

		if (f->odd.count > 0)
			tell_found(job, file, field, &f->odd, "cell");
		/* Too long, or none?  In columns that hold longer ones or say none otherwise, or
		 * are narrow, too long. */
		if (f->stars.count > 0 &&
		    (f->blank || f->width < WIDE || f->longest + 1 >= f->width))
			tell_found(job, file, field, &f->stars, "stars");
	}
}

void dbf_tell_odd(struct job *job, const struct source *src, OGRLayerH layer)
{
	CLEAN_FD int fd = src->side[SOURCE_DBF] == NULL
			      ? -1
			      : open(src->side[SOURCE_DBF], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEAN_FREE struct field *v = NULL;
	CLEAN_FREE int *index = NULL;
	CLEAN_FREE char *block = NULL;
	struct shp_rows r;
	size_t n, most;
	ssize_t got = 1;

	if (fd < 0 || !shp_rows(src->path, src->side[SOURCE_DBF], &r))
		return;
	if (r.places != r.rows)
		job_warn(job,
			 problem_arg_int(problem_arg_int(problem_str(problem_new("rows_unpaired"),
								     "file", src->file),
							 "places", r.places),
					 "rows", r.rows));
	n = fields_of(fd, r.header, r.width, layer, &v, &index);
	most = r.width > 0 && r.width < BLOCK ? BLOCK / (size_t)r.width : 1;
	block = mem_array(most, (size_t)r.width + 1);
	for (int64_t row = 0; n > 0 && row < r.rows && got > 0; row += got) {
		got = pread(fd, block, most * (size_t)r.width, r.header + row * r.width) /
		      (ssize_t)r.width;
		for (ssize_t k = 0; k < got && row + k < r.rows; k++) {
			const char *cells = block + k * r.width;

			for (size_t i = 0; i < n && cells[0] != '*'; i++)
				look(&v[i], cells + v[i].at, row + k + 1);
		}
	}
	tell(job, src->file, layer, v, index, n);
}
