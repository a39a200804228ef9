#include "upload/ranges.h"

#include <string.h>
#include "base/mem.h"

void ranges_done(struct ranges *set)
{
	free(set->v);
	*set = (struct ranges){0};
}

/* The first range that ends at OFFSET or later. */
static size_t find(const struct ranges *set, int64_t offset)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (set->v[mid].end < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Ranges [FROM, TO) become the N in WITH. */
static void splice(struct ranges *set, size_t from, size_t to, const struct range *with, size_t n)
{
	size_t behind = set->n - to;

	if (n > to - from)
		set->v = mem_resize(set->v, set->n + n, sizeof(*set->v));
	if (behind > 0)
		memmove(set->v + from + n, set->v + to, behind * sizeof(*set->v));
	if (n > 0)
		memcpy(set->v + from, with, n * sizeof(*set->v));
	set->n = from + n + behind;
}

void ranges_add(struct ranges *set, int64_t first, int64_t end)
{
	struct range add = {first, end};
	size_t from = find(set, first), to = from;

	while (to < set->n && set->v[to].first <= end) {
		add.first = set->v[to].first < add.first ? set->v[to].first : add.first;
		add.end = set->v[to].end > add.end ? set->v[to].end : add.end;
		to++;
	}
	splice(set, from, to, &add, 1);
}

void ranges_remove(struct ranges *set, int64_t first, int64_t end)
{
	struct range keep[2];
	size_t from = find(set, first + 1), to = from, n = 0;

	while (to < set->n && set->v[to].first < end)
		to++;
	if (to == from)
		return;
	if (set->v[from].first < first)
		keep[n++] = (struct range){set->v[from].first, first};
	if (set->v[to - 1].end > end)
		keep[n++] = (struct range){end, set->v[to - 1].end};
	splice(set, from, to, keep, n);
}

bool ranges_cover(const struct ranges *set, int64_t first, int64_t end)
{
	size_t i = find(set, end);

	return first >= end || (i < set->n && set->v[i].first <= first);
}

int64_t ranges_prefix(const struct ranges *set)
{
	return set->n > 0 && set->v[0].first == 0 ? set->v[0].end : 0;
}

int64_t ranges_sum(const struct ranges *set)
{
	int64_t sum = 0;

	for (size_t i = 0; i < set->n; i++)
		sum += set->v[i].end - set->v[i].first;
	return sum;
}

int64_t ranges_end(const struct ranges *set)
{
	return set->n > 0 ? set->v[set->n - 1].end : 0;
}

json_object *ranges_json(const struct ranges *set)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < set->n; i++) {
		json_object_array_add(array, json_object_new_int64(set->v[i].first));
		json_object_array_add(array, json_object_new_int64(set->v[i].end));
	}
	return array;
}

bool ranges_read(struct ranges *set, const json_object *array)
{
	size_t n = json_len(array);
	int64_t last = -1;

	ranges_done(set);
	if (n == 0)
		return true;
	set->v = mem_array(n / 2 + 1, sizeof(*set->v));
	for (size_t i = 0; i + 1 < n; i += 2) {
		struct range r = {json_object_get_int64(json_at(array, i)),
				  json_object_get_int64(json_at(array, i + 1))};

		/* A record that says otherwise is damaged: bytes it seems to promise are not there.
		 */
		if (r.first <= last || r.end <= r.first || n % 2 != 0) {
			ranges_done(set);
			return false;
		}
		last = r.end;
		set->v[set->n++] = r;
	}
	return n % 2 == 0;
}
