/*
 * Goal: a zip's directory is read without a fault, and what it accepts keeps its promises: members
 * inside the file and apart, safe names, sums below the limits.
 * The input is the archive; one that begins with "hex" is its hexadecimal text (hex.h), as the
 * committed seeds are.
 */
#include <sys/mman.h>
#include <unistd.h>
#include "fuzz.h"
#include "hex.h"
#include "base/text.h"
#include "geo/zipdir.h"

static const struct zip_limits limits = {
    .entries = 20,
    .bytes = 1 << 22,
    .ratio = 200,
    .name_bytes = 64,
    .depth = 4,
};

static void check_members(const struct zip_dir *d, int64_t file_size)
{
	int64_t sum = 0;

	fuzz_check(d->n <= (size_t)limits.entries);
	for (size_t i = 0; i < d->n; i++) {
		const struct zip_member *m = &d->v[i];

		fuzz_check(m->at >= 0 && m->packed >= 0 && m->size >= 0);
		fuzz_check(m->end <= file_size && m->end - m->at >= m->packed + 30);
		fuzz_check(text_is_utf8(m->name, strlen(m->name)));
		fuzz_check(zip_name_is_safe(m->name, &limits));
		fuzz_check(strstr(m->name, "../") == NULL && m->name[0] != '/');
		sum += m->size;
		for (size_t j = 0; j < i; j++)
			fuzz_check(m->at >= d->v[j].end || d->v[j].at >= m->end);
	}
	fuzz_check(sum <= limits.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint8_t *bytes = mem_alloc(size + 1);
	struct error error = {0};
	struct zip_dir d = {0};
	size_t n = size;
	int fd = memfd_create("zip", MFD_CLOEXEC);

	if (size > 3 && memcmp(input, "hex", 3) == 0)
		n = from_hex(input + 3, size - 3, bytes);
	else if (size > 0)
		memcpy(bytes, input, size);
	fuzz_check(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	if (zip_dir_read(fd, &limits, &d, &error) == ERR_OK) {
		check_members(&d, (int64_t)n);
		zip_dir_done(&d);
	} else {
		fuzz_check(error.code != NULL && strncmp(error.code, "zip_", 4) == 0);
	}
	(void)close(fd);
	free(bytes);
	return 0;
}
