/*
 * Goal: whatever a client calls a path, what it is mapped to lies below the root of the file area,
 * may be created, and is mapped to itself.  The input is the path; a second line, if there is one,
 * a list of filters.
 */
#include "fuzz.h"

#include "area/path.h"
#include "base/text.h"

static const char denied[] = ".php .jsp";

static void check_mapped(const char *path)
{
	struct error error = {0};
	char *again = NULL;

	fuzz_check(strlen(path) <= AREA_PATH_MAX);
	fuzz_check(text_is_utf8(path, strlen(path)));
	for (const char *p = path; *p != '\0';) {
		size_t n = strcspn(p, "/");

		fuzz_check(n > 0 && n <= AREA_NAME_MAX);
		fuzz_check(!(n == 1 && p[0] == '.') && !(n == 2 && p[0] == '.' && p[1] == '.'));
		fuzz_check(strncmp(p, AREA_HIDDEN, strlen(AREA_HIDDEN)) != 0);
		fuzz_check(memchr(p, '\\', n) == NULL);
		p += n + (p[n] == '/');
		fuzz_check(p[-1] != '/' || *p != '\0');
	}
	/* Below the root it means the same again: that is how a client is told. */
	char *told = mem_printf(AREA_WORD "/%s", path);
	if (strlen(told) <= AREA_PATH_MAX) {
		fuzz_check(area_map(told, NULL, denied, &again, &error) == ERR_OK);
		fuzz_check(strcmp(again, path) == 0);
	}
	free(told);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *text = mem_strndup((const char *)input, size);
	char *line = strchr(text, '\n'), *path = NULL;
	struct error error = {0};

	if (line != NULL)
		*line++ = '\0';
	if (area_map(text, "/srv/files", denied, &path, &error) == ERR_OK) {
		check_mapped(path);
		(void)area_filter(line, path);
		free(path);
	} else {
		fuzz_check(error.code[0] != '\0');
	}
	free(text);
	return 0;
}
