#include "base/mem.h"

#include <stdint.h>
#include <string.h>

void mem_die(void)
{
	static const char line[] = "slipway: out of memory\n";
	ssize_t n = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)n;
	/* _exit: handlers would want memory, and what was acknowledged is on disk already. */
	_exit(71); /* EX_OSERR of <sysexits.h> */
}

void *mem_alloc(size_t n)
{
	return mem_array(n, 1);
}

void *mem_array(size_t n, size_t size)
{
	void *p;

	/* One byte at least, so that NULL always means failure. */
	if (n == 0 || size == 0)
		n = size = 1;
	p = calloc(n, size);
	if (p == NULL)
		mem_die();
	return p;
}

void *mem_pages(size_t n)
{
	void *p;

	if (posix_memalign(&p, MEM_PAGE, n == 0 ? 1 : n) != 0)
		mem_die();
	return p;
}

void *mem_resize(void *p, size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	p = reallocarray(p, n, size);
	if (p == NULL)
		mem_die();
	return p;
}

char *mem_strdup(const char *s)
{
	return s == NULL ? NULL : mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t n)
{
	char *copy;

	if (s == NULL)
		return NULL;
	n = strnlen(s, n);
	if (n == SIZE_MAX)
		mem_die();
	copy = malloc(n + 1);
	if (copy == NULL)
		mem_die();
	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		mem_die();
	return s;
}
