#include "views/chunk_dialect.h"

#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"
#include "http/field.h"
#include "http/represent.h"
#include "views/chunk_rows.h"

static const char *const names[CHUNK__MAX] = {
    [CHUNK_NONE] = "",
    [CHUNK_FILEPOND] = "filepond",
    [CHUNK_RESUMABLE] = "resumable",
    [CHUNK_FLOW] = "flow",
    [CHUNK_SIMPLE] = "simple",
    [CHUNK_DROPZONE] = "dropzone",
    [CHUNK_FINE] = "fine",
    [CHUNK_WEBUPLOADER] = "webuploader",
    [CHUNK_PLUPLOAD] = "plupload",
    [CHUNK_CONTENTRANGE] = "contentrange",
    [CHUNK_FORM] = "form",
    [CHUNK_RAW] = "raw",
};

const char *chunk_dialect_name(enum chunk_dialect d)
{
	return names[d];
}

enum chunk_dialect chunk_dialect_by_name(const char *s, size_t len)
{
	for (enum chunk_dialect d = CHUNK_NONE + 1; d < CHUNK__MAX; d++)
		if (strlen(names[d]) == len && memcmp(names[d], s, len) == 0)
			return d;
	return CHUNK_NONE;
}

static const char *value(const struct chunk_request *r, const char *field)
{
	const char *v = field == NULL || r->form == NULL ? NULL : pairs_get(r->form, field);

	if (v == NULL && field != NULL && r->query != NULL)
		v = pairs_get(r->query, field);
	return v;
}

/* ---- which dialect */

static const struct chunk_row *find_row(const struct chunk_request *r, enum chunk_dialect forced)
{
	for (size_t i = 0; i < chunk_n_rows; i++) {
		bool all = forced == CHUNK_NONE || forced == chunk_rows[i].dialect;
		for (size_t k = 0; all && chunk_rows[i].needs[k] != NULL; k++)
			all = value(r, chunk_rows[i].needs[k]) != NULL;
		if (all)
			return &chunk_rows[i];
	}
	return NULL;
}

/* FilePond sends its metadata as JSON under the name of the file part that follows. */
static bool has_filepond_metadata(const struct chunk_request *r)
{
	const char *v =
	    r->form == NULL || r->part_field == NULL ? NULL : pairs_get(r->form, r->part_field);

	return v != NULL && *v == '{' && v[strlen(v) - 1] == '}';
}

/* Plupload can be told not to say its file's name: such a piece is no whole file. */
static bool is_nameless_piece(const struct chunk_request *r)
{
	const char *count = value(r, "chunks");

	if (value(r, "name") != NULL)
		return false;
	return (value(r, "chunk") != NULL && count != NULL && strcmp(count, "0") != 0 &&
		strcmp(count, "1") != 0) ||
	       (value(r, "offset") != NULL && value(r, "total") != NULL);
}

/* Without the fields of a piece: a whole file, or FilePond's wish for an id. */
static enum chunk_dialect detect_plain(const struct chunk_request *r, bool filepond)
{
	if (is_nameless_piece(r))
		return CHUNK_PLUPLOAD;
	if (r->multipart && r->upload_length != NULL && r->n_files == 0)
		return CHUNK_FILEPOND;
	if (r->multipart && r->n_files > 0)
		return filepond || has_filepond_metadata(r) ? CHUNK_FILEPOND : CHUNK_FORM;
	return r->multipart ? CHUNK_NONE : CHUNK_RAW;
}

enum chunk_dialect chunk_detect(const struct chunk_request *r)
{
	const struct chunk_row *row;

	switch (r->forced) {
	case CHUNK_NONE:
		if (r->query != NULL && pairs_get(r->query, "patch") != NULL)
			return CHUNK_FILEPOND;
		row = find_row(r, CHUNK_NONE);
		if (row != NULL)
			return row->dialect;
		return r->content_range != NULL ? CHUNK_CONTENTRANGE : detect_plain(r, false);
	case CHUNK_FILEPOND:
		if (value(r, "patch") != NULL)
			return CHUNK_FILEPOND;
		return detect_plain(r, true);
	case CHUNK_DROPZONE:
	case CHUNK_WEBUPLOADER:
	case CHUNK_PLUPLOAD:
		/* Small files come whole, with none of the fields. */
		return find_row(r, r->forced) != NULL ? r->forced : detect_plain(r, false);
	case CHUNK_CONTENTRANGE:
		return r->content_range != NULL ? r->forced : detect_plain(r, false);
	case CHUNK_FORM:
		return r->multipart && r->n_files > 0 ? CHUNK_FORM : CHUNK_NONE;
	case CHUNK_RAW:
		return r->multipart ? CHUNK_NONE : CHUNK_RAW;
	case CHUNK_RESUMABLE:
	case CHUNK_FLOW:
	case CHUNK_SIMPLE:
	case CHUNK_FINE:
	case CHUNK__MAX:
		break;
	}
	return r->forced;
}

/* ---- numbers */

static enum err refuse(struct chunk *c, enum err err, const char *field, const char *text)
{
	c->bad_field = field;
	c->bad_value = text;
	return err;
}

/* FIELD as a number from MIN; *RET -1 when it is absent and may be. */
static enum err read_number(const struct chunk_request *r, struct chunk *c, const char *field,
			    bool must, int64_t min, int64_t *ret)
{
	const char *text = value(r, field);

	*ret = -1;
	if (text == NULL)
		return must ? refuse(c, ERR_LENGTH, field, NULL) : ERR_OK;
	/* text_int takes "-0". */
	if (*text == '-' || !text_int(text, min, INT64_MAX, ret))
		return refuse(c, ERR_LENGTH, field, text);
	return ERR_OK;
}

/* The numbers of a row's fields; -1 = absent. */
struct numbers {
	int64_t number, count, size, current, first;
};

static enum err read_numbers(const struct chunk_request *r, const struct chunk_row *row,
			     struct chunk *c, struct numbers *n)
{
	bool by_size = row->mode == UPLOAD_RANGE && row->first == NULL;
	/* Fine Uploader's whole files have no place of their own. */
	bool placed = row->dialect != CHUNK_FINE;
	enum err err =
	    read_number(r, c, row->total, row->mode == UPLOAD_RANGE && row->dialect != CHUNK_FINE,
			0, &c->total);

	if (err == ERR_OK)
		err = read_number(r, c, row->number, by_size || row->mode == UPLOAD_PARTS,
				  row->base, &n->number);
	if (err == ERR_OK)
		err = read_number(r, c, row->count, row->mode == UPLOAD_PARTS, 1, &n->count);
	if (err == ERR_OK)
		err = read_number(r, c, row->size, by_size, 1, &n->size);
	if (err == ERR_OK)
		err = read_number(r, c, row->current, false, 0, &n->current);
	if (err == ERR_OK)
		err = read_number(r, c, row->first, placed && row->mode == UPLOAD_RANGE && !by_size,
				  0, &n->first);
	if (err != ERR_OK)
		return err;
	if (n->number >= 0)
		n->number -= row->base;
	if (n->number >= 0 && n->count >= 0 && n->number >= n->count)
		return refuse(c, ERR_LENGTH, row->number, value(r, row->number));
	return ERR_OK;
}

/* The last chunk takes what is left over, or, when the page asked for that, has a number of its
 * own. */
static bool count_fits(int64_t total, int64_t size, int64_t count)
{
	int64_t whole = total / size;

	return count == (whole > 0 ? whole : 1) || (total % size > 0 && count == whole + 1);
}

/* Chunk NUMBER of SIZE bytes: every one is of that size, the last takes the rest. */
static enum err place_by_size(const struct chunk_request *r, const struct chunk_row *row,
			      const struct numbers *n, struct chunk *c)
{
	int64_t first, rest;

	if (n->count >= 0 && !count_fits(c->total, n->size, n->count))
		return refuse(c, ERR_LENGTH, row->count, value(r, row->count));
	if (n->number > c->total / n->size)
		return refuse(c, ERR_LENGTH, row->number, value(r, row->number));
	first = n->number * n->size;
	rest = c->total - first;
	bool last = n->count >= 0 ? n->number == n->count - 1
				  : rest - n->size < n->size && n->current != n->size;
	c->first = first;
	c->len = last ? rest : n->size;
	if (rest < c->len || (c->len == 0 && c->total > 0))
		return refuse(c, ERR_LENGTH, row->number, value(r, row->number));
	return ERR_OK;
}

/* The place is told; what else is told about the length must fit. */
static enum err place_by_first(const struct chunk_request *r, const struct chunk_row *row,
			       const struct numbers *n, struct chunk *c)
{
	c->first = n->first >= 0 ? n->first : 0;
	c->len = n->current;
	if (n->first < 0 && c->len < 0)
		c->len = c->total;
	/* Only a whole file can do without its length. */
	if (c->total < 0)
		return n->first >= 0 ? refuse(c, ERR_LENGTH, row->total, NULL) : ERR_OK;
	if (c->first > c->total)
		return refuse(c, ERR_LENGTH, row->first, value(r, row->first));
	if (n->size >= 0) {
		int64_t rest = c->total - c->first;
		c->len = rest < n->size ? rest : n->size;
	}
	return ERR_OK;
}

static enum err read_place(const struct chunk_request *r, const struct chunk_row *row,
			   struct chunk *c)
{
	struct numbers n;
	enum err err = read_numbers(r, row, c, &n);

	if (err != ERR_OK)
		return err;
	if (row->mode == UPLOAD_PARTS) {
		if (n.count > UINT32_MAX)
			return refuse(c, ERR_LENGTH, row->count, value(r, row->count));
		c->number = (uint32_t)n.number;
		c->count = (uint32_t)n.count;
		c->begins = n.number == 0;
		return ERR_OK;
	}
	err = row->first == NULL ? place_by_size(r, row, &n, c) : place_by_first(r, row, &n, c);
	if (err != ERR_OK)
		return err;
	if (c->len >= 0 && n.current >= 0 && n.current != c->len)
		return refuse(c, ERR_LENGTH, row->current, value(r, row->current));
	if (c->len >= 0 && c->total >= 0 && c->len > c->total - c->first)
		return refuse(c, ERR_LENGTH, row->current != NULL ? row->current : row->first,
			      value(r, row->current != NULL ? row->current : row->first));
	c->begins = c->first == 0;
	return ERR_OK;
}

/* ---- names */

/* Names in header fields are percent-encoded; what does not decode is taken as it stands. */
static char *decoded(const char *s)
{
	char *out = NULL;

	return field_unescape(s, strlen(s), false, &out) == ERR_OK ? out : mem_strdup(s);
}

/* The name in a Content-Disposition; NULL: none. */
static char *disposed(const char *header)
{
	CLEAN_FREE char *sent = header == NULL ? NULL : disposition_name(header);

	if (sent == NULL)
		return NULL;
	/* filename* was decoded with it. */
	return strcasestr(header, "filename*") != NULL ? mem_strdup(sent) : decoded(sent);
}

/* The name of a body without fields: path, Content-Disposition, part, X-File-Name, ?name=. */
static char *plain_name(const struct chunk_request *r)
{
	char *name = r->path_name != NULL && *r->path_name != '\0'
			 ? mem_strdup(r->path_name)
			 : disposed(r->content_disposition);

	if (name == NULL && r->part_name != NULL)
		name = mem_strdup(r->part_name);
	if (name == NULL && r->x_file_name != NULL)
		name = decoded(r->x_file_name);
	if (name == NULL)
		name = mem_strdup(value(r, "name"));
	return name;
}

/* The name a row's request gives its file: its own field, else the part's. */
static char *row_name(const struct chunk_request *r, const struct chunk_row *row)
{
	const char *own = value(r, row->name);

	if (own != NULL && *own != '\0')
		return mem_strdup(own);
	if (r->x_file_name != NULL)
		return decoded(r->x_file_name);
	return mem_strdup(r->part_name);
}

/* SENT becomes the display name.  Takes SENT (NULL = none). */
static enum err set_name(struct chunk *c, char *sent, const char *field)
{
	char *name = text_display_name(sent != NULL ? sent : "");

	free(sent);
	if (name == NULL)
		return refuse(c, ERR_BAD_REQUEST, field, NULL);
	if (*name == '\0') {
		free(name);
		name = mem_strdup("upload");
	}
	c->name = name;
	return ERR_OK;
}

static enum err set_path(const struct chunk_request *r, struct chunk *c, const char *field)
{
	const char *sent = value(r, field);

	/* Uppy writes null when there is none. */
	if (sent == NULL || *sent == '\0' || strcmp(sent, "null") == 0)
		return ERR_OK;
	c->rel_path = text_relative_path(sent);
	if (c->rel_path == NULL)
		return refuse(c, ERR_BAD_REQUEST, field, sent);
	/* The libraries send the bare name when there is no folder. */
	if (strchr(c->rel_path, '/') == NULL) {
		free(c->rel_path);
		c->rel_path = NULL;
	}
	return ERR_OK;
}

/* ---- all of it */

static enum err read_row(const struct chunk_request *r, const struct chunk_row *row,
			 struct chunk *c)
{
	enum err err;

	c->kind = CHUNK_KIND_BYTES;
	c->mode = row->mode;
	for (size_t i = 0; row->needs[i] != NULL; i++)
		if (value(r, row->needs[i]) == NULL)
			return refuse(c, ERR_BAD_REQUEST, row->needs[i], NULL);
	for (size_t i = 0; i < sizeof(row->key) / sizeof(*row->key) && row->key[i] != NULL; i++) {
		const char *v = value(r, row->key[i]);
		c->key[i] = v != NULL ? v : "";
	}
	err = read_place(r, row, c);
	if (err == ERR_OK)
		err = set_name(c, row_name(r, row), row->name);
	if (err == ERR_OK)
		err = set_path(r, c, row->path);
	c->restarts = row->restarts && c->begins;
	c->keeps_key = row->keeps_key;

	const char *all[] = {row->number, row->count, row->size, row->current,
			     row->first,  row->total, row->name, row->path};
	c->settled = !row->spools;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		c->settled = c->settled && (all[i] == NULL || value(r, all[i]) != NULL);
	for (size_t i = 0; i < sizeof(row->key) / sizeof(*row->key) && row->key[i] != NULL; i++)
		c->settled = c->settled && value(r, row->key[i]) != NULL;
	return err;
}

static enum err read_content_range(const struct chunk_request *r, struct chunk *c)
{
	int64_t last;

	c->kind = CHUNK_KIND_BYTES;
	c->mode = UPLOAD_RANGE;
	c->settled = true;
	if (!content_range_parse(r->content_range, &c->first, &last, &c->total) || c->total < 0)
		return refuse(c, ERR_LENGTH, "Content-Range", r->content_range);
	c->len = last - c->first + 1;
	c->begins = c->first == 0;
	/* The key is the name as it is shown, and the total behind the slash. */
	enum err err = set_name(c, plain_name(r), "Content-Disposition");
	c->key[0] = c->name;
	c->key[1] = strchr(r->content_range, '/') + 1;
	return err;
}

static enum err read_filepond(const struct chunk_request *r, struct chunk *c)
{
	const char *patch = value(r, "patch");
	int64_t offset = 0;

	c->mode = UPLOAD_RANGE;
	c->settled = patch != NULL;
	if (patch == NULL && r->n_files > 0) {
		c->kind = CHUNK_KIND_WHOLE;
		return set_name(c, plain_name(r), r->part_field);
	}
	c->kind = patch != NULL ? CHUNK_KIND_BYTES : CHUNK_KIND_CREATE;
	c->id = patch;
	if (r->upload_length != NULL &&
	    (*r->upload_length == '-' || !text_int(r->upload_length, 0, INT64_MAX, &c->total)))
		return refuse(c, ERR_LENGTH, "Upload-Length", r->upload_length);
	if (patch == NULL && r->upload_length == NULL)
		return refuse(c, ERR_BAD_REQUEST, "Upload-Length", NULL);
	if (r->upload_offset != NULL &&
	    (*r->upload_offset == '-' || !text_int(r->upload_offset, 0, INT64_MAX, &offset)))
		return refuse(c, ERR_LENGTH, "Upload-Offset", r->upload_offset);
	if (c->total >= 0 && offset > c->total)
		return refuse(c, ERR_LENGTH, "Upload-Offset", r->upload_offset);
	c->first = offset;
	return set_name(c, mem_strdup(r->upload_name), "Upload-Name");
}

/* A whole file.  Plupload and others call the part "blob" and say the name in a field. */
static enum err read_whole(const struct chunk_request *r, struct chunk *c)
{
	const char *field = value(r, "name");
	bool blob = r->part_name != NULL && strcmp(r->part_name, "blob") == 0 && r->n_files == 1;

	c->kind = CHUNK_KIND_WHOLE;
	c->mode = UPLOAD_APPEND;
	c->settled = c->dialect == CHUNK_RAW;
	enum err err =
	    set_name(c, blob && field != NULL ? mem_strdup(field) : plain_name(r), r->part_field);
	if (err == ERR_OK && r->n_files <= 1)
		err = set_path(r, c, "relativePath");
	return err;
}

enum err chunk_read(const struct chunk_request *r, struct chunk *c)
{
	*c = (struct chunk){.dialect = chunk_detect(r), .first = 0, .len = -1, .total = -1};
	switch (c->dialect) {
	case CHUNK_FILEPOND:
		return read_filepond(r, c);
	case CHUNK_CONTENTRANGE:
		return read_content_range(r, c);
	case CHUNK_FORM:
	case CHUNK_RAW:
		return read_whole(r, c);
	case CHUNK_RESUMABLE:
	case CHUNK_FLOW:
	case CHUNK_SIMPLE:
	case CHUNK_DROPZONE:
	case CHUNK_FINE:
	case CHUNK_WEBUPLOADER:
	case CHUNK_PLUPLOAD:
		break;
	case CHUNK_NONE:
	case CHUNK__MAX:
		return refuse(c, ERR_BAD_REQUEST, NULL, NULL);
	}
	const struct chunk_row *row = find_row(r, c->dialect);
	for (size_t i = 0; row == NULL && i < chunk_n_rows; i++)
		row = chunk_rows[i].dialect == c->dialect ? &chunk_rows[i] : NULL;
	return read_row(r, row, c);
}

void chunk_done(struct chunk *c)
{
	free(c->name);
	free(c->rel_path);
	c->name = NULL;
	c->rel_path = NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool chunk_equal(const struct chunk *a, const struct chunk *b)
{
	if (a->dialect != b->dialect || a->mode != b->mode || a->total != b->total ||
	    a->first != b->first || a->len != b->len || a->number != b->number ||
	    a->count != b->count || !same_text(a->id, b->id))
		return false;
	for (size_t i = 0; i < sizeof(a->key) / sizeof(*a->key); i++)
		if (!same_text(a->key[i], b->key[i]))
			return false;
	return true;
}

/* ---- refusals */

bool chunk_error_is_final(enum err err)
{
	static const enum err passing[] = {ERR_CUT, ERR_DISPLACED, ERR_LOCKED, ERR_CONFLICT,
					   ERR_INCOMPLETE};

	for (size_t i = 0; i < sizeof(passing) / sizeof(*passing); i++)
		if (passing[i] == err)
			return false;
	return err_status(err) < 500 || err == ERR_NO_SPACE;
}

int chunk_error_status(enum chunk_dialect dialect, enum err err)
{
	static const int never_ends[] = {401, 403, 405, 410, 411, 413, 429, 507};
	int status = err_status(err);

	for (size_t i = 0;
	     dialect == CHUNK_RESUMABLE && i < sizeof(never_ends) / sizeof(*never_ends); i++)
		if (never_ends[i] == status)
			return 400;
	return status;
}
