/*
 * Memory that is there or the process is not: out of memory ends the process in one place.
 * No size taken from a user reaches these unchecked.
 */
#ifndef SLIPWAY_BASE_MEM_H
#define SLIPWAY_BASE_MEM_H

#include <stddef.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Owns: caller frees with free(). */
void *mem_alloc(size_t n) __attribute__((malloc, warn_unused_result)); /* zeroed */
/* zeroed, overflow-checked */
void *mem_array(size_t n, size_t size) __attribute__((warn_unused_result));
#define MEM_PAGE 4096
/* N bytes that begin on a page, not zeroed: for reads and writes past the page cache. */
void *mem_pages(size_t n) __attribute__((malloc, warn_unused_result));
void *mem_resize(void *p, size_t n, size_t size) __attribute__((warn_unused_result));
/* NULL gives NULL */
char *mem_strdup(const char *s) __attribute__((malloc, warn_unused_result));
char *mem_strndup(const char *s, size_t n) __attribute__((malloc, warn_unused_result));
char *mem_printf(const char *fmt, ...)
    __attribute__((malloc, warn_unused_result, format(printf, 1, 2)));

/*
 * The one place: says so and ends the process.  For failures of libraries that report them to us.
 */
_Noreturn void mem_die(void);

/* Clean-up for owners of one thing: `CLEAN_FREE char *s = …;` */
static inline void mem_clean_free(void *p)
{
	free(*(void **)p);
}
static inline void mem_clean_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
static inline void mem_clean_file(FILE **f)
{
	if (*f != NULL)
		(void)fclose(*f);
}
#define CLEAN_FREE __attribute__((cleanup(mem_clean_free)))
#define CLEAN_FD   __attribute__((cleanup(mem_clean_fd)))
#define CLEAN_FILE __attribute__((cleanup(mem_clean_file)))

#endif
