#include "wizard/crs_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/mem.h"
#include "base/text.h"
#include "wizard/fields.h"

struct crs_index {
	const struct crs_file_header *head;
	const struct crs_file_area *areas;
	const struct crs_file_entry *entries;
	const char *texts;
	size_t size; /* of the mapping */
};

static const char *const kind_names[CRS_KIND__MAX] = {"geographic", "projected",  "compound",
						      "vertical",   "geocentric", "other"};

/* The four parts lie within SIZE bytes and the texts end: then every access below stays inside. */
static bool is_sound(const struct crs_file_header *h, size_t size)
{
	uint64_t need;

	if (size < sizeof(*h) || memcmp(h->magic, CRS_FILE_MAGIC, sizeof(h->magic)) != 0 ||
	    h->version != CRS_FILE_VERSION)
		return false;
	need = sizeof(*h) + (uint64_t)h->n_areas * sizeof(struct crs_file_area) +
	       (uint64_t)h->n_entries * sizeof(struct crs_file_entry) + h->texts_bytes;
	return need == size && h->texts_bytes > 0 && ((const char *)h)[size - 1] == '\0' &&
	       ((const char *)h)[size - h->texts_bytes] == '\0';
}

enum err crs_index_open(const char *path, struct crs_index **ret, struct error *error)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct crs_index *ix;
	struct stat st;
	void *map;

	if (fd < 0)
		return error_errno(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s", path);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return error_set(error, ERR_UNAVAILABLE, "%s: not an index of reference systems",
				 path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return error_errno(error, ERR_IO, "%s", path);
	if (!is_sound(map, (size_t)st.st_size)) {
		(void)munmap(map, (size_t)st.st_size);
		return error_set(error, ERR_UNAVAILABLE,
				 "%s: not an index of reference systems, or of another version",
				 path);
	}
	ix = mem_alloc(sizeof(*ix));
	ix->head = map;
	ix->size = (size_t)st.st_size;
	ix->areas = (const void *)(ix->head + 1);
	ix->entries = (const void *)(ix->areas + ix->head->n_areas);
	ix->texts = (const char *)(ix->entries + ix->head->n_entries);
	*ret = ix;
	return ERR_OK;
}

void crs_index_close(struct crs_index *ix)
{
	if (ix == NULL)
		return;
	(void)munmap((void *)(uintptr_t)ix->head, ix->size);
	free(ix);
}

size_t crs_index_size(const struct crs_index *ix)
{
	return ix != NULL ? ix->head->n_entries : 0;
}

const struct crs_file_entry *crs_index_entry(const struct crs_index *ix, size_t i)
{
	return &ix->entries[i];
}

const char *crs_index_text(const struct crs_index *ix, uint32_t offset)
{
	return offset < ix->head->texts_bytes ? ix->texts + offset : "";
}

const struct crs_file_area *crs_index_area(const struct crs_index *ix, uint32_t i)
{
	static const struct crs_file_area none;

	return i < ix->head->n_areas ? &ix->areas[i] : &none;
}

size_t crs_index_areas(const struct crs_index *ix)
{
	return ix->head->n_areas;
}

/* "ESRI:102100" to its authority's index and number (UINT32_MAX: no number); false: unknown
 * authority. */
static bool crs_index_split(const char *code, uint8_t *ret_authority, uint32_t *ret_number)
{
	const char *colon = strchr(code, ':');
	int64_t number;

	if (colon == NULL)
		return false;
	for (size_t i = 0; i < CRS_N_AUTHORITIES; i++) {
		if (strlen(crs_authorities[i]) != (size_t)(colon - code) ||
		    strncmp(crs_authorities[i], code, (size_t)(colon - code)) != 0)
			continue;
		*ret_authority = (uint8_t)i;
		*ret_number =
		    text_int(colon + 1, 0, UINT32_MAX - 1, &number) ? (uint32_t)number : UINT32_MAX;
		return true;
	}
	return false;
}

/* Where CODE stands, or would stand. */
static size_t lower_bound(const struct crs_index *ix, uint8_t authority, uint32_t number,
			  const char *code)
{
	size_t low = 0, high = ix->head->n_entries;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct crs_file_entry *e = &ix->entries[mid];
		bool less = e->authority != authority ? e->authority < authority
			    : e->number != number     ? e->number < number
						  : strcmp(crs_index_text(ix, e->code), code) < 0;

		if (less)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct crs_file_entry *crs_index_find(const struct crs_index *ix, const char *code)
{
	uint8_t authority;
	uint32_t number;
	size_t i;

	if (ix == NULL || !crs_index_split(code, &authority, &number))
		return NULL;
	i = lower_bound(ix, authority, number, code);
	if (i >= ix->head->n_entries || strcmp(crs_index_text(ix, ix->entries[i].code), code) != 0)
		return NULL;
	return &ix->entries[i];
}

const char *crs_kind_name(uint8_t kind)
{
	return kind < CRS_KIND__MAX ? kind_names[kind] : "other";
}

json_object *crs_index_json(const struct crs_index *ix, const struct crs_file_entry *e)
{
	const struct crs_file_area *area = crs_index_area(ix, e->area);
	const char *replaced = crs_index_text(ix, e->replaced_by);
	json_object *o = json_object_new_object(), *bbox = NULL;

	if (area->has_bbox)
		bbox = fields_box(area->bbox);
	json_set_str(o, "code", crs_index_text(ix, e->code));
	json_set_str(o, "name", crs_index_text(ix, e->name));
	json_set_str(o, "kind", crs_kind_name(e->kind));
	json_set_str(o, "unit", crs_index_text(ix, e->unit));
	json_set_str(o, "area", crs_index_text(ix, area->name));
	json_set(o, "bbox", bbox);
	json_set_bool(o, "deprecated", e->deprecated != 0);
	return json_set_str(o, "replaced_by", *replaced != '\0' ? replaced : NULL);
}

json_object *crs_index_get(const struct crs_index *ix, const char *code)
{
	const struct crs_file_entry *e = crs_index_find(ix, code);

	return e != NULL ? crs_index_json(ix, e) : NULL;
}

/* Distance of two codes, for "did you mean". */
static uint32_t distance(uint32_t a, uint32_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_useful(const struct crs_file_entry *e, uint8_t authority)
{
	return e->authority == authority && !e->deprecated && crs_is_searchable(e);
}

/* From both sides of the place where CODE would stand, the nearer one first. */
json_object *crs_index_nearest(const struct crs_index *ix, const char *code, size_t n)
{
	json_object *list = json_object_new_array();
	uint8_t authority;
	uint32_t number;
	size_t down, up, total = crs_index_size(ix);

	if (ix == NULL || !crs_index_split(code, &authority, &number))
		return list;
	up = down = lower_bound(ix, authority, number, code);
	while (json_len(list) < n) {
		size_t take;

		while (down > 0 && !is_useful(&ix->entries[down - 1], authority))
			down--;
		while (up < total && !is_useful(&ix->entries[up], authority))
			up++;
		if (down == 0 && up == total)
			break;
		if (up == total || (down > 0 && distance(ix->entries[down - 1].number, number) <=
						    distance(ix->entries[up].number, number)))
			take = --down;
		else
			take = up++;
		json_object_array_add(
		    list, json_object_new_string(crs_index_text(ix, ix->entries[take].code)));
	}
	return list;
}
