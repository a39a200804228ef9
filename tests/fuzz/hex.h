/*
 * Seeds of binary formats stand in the tree as text: hexadecimal digits, where blanks and what
 * follows
 * '#' on a line do not count, and "TEXT" in quotes stands for itself.
 */
#ifndef SLIPWAY_FUZZ_HEX_H
#define SLIPWAY_FUZZ_HEX_H

#include <stddef.h>
#include <stdint.h>

static inline int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The bytes that the text in IN stands for, into OUT, which is as long; what is no digit is passed.
 */
static inline size_t from_hex(const uint8_t *in, size_t size, uint8_t *out)
{
	size_t n = 0;
	int high = -1;

	for (size_t i = 0; i < size; i++) {
		if (in[i] == '#') {
			while (i < size && in[i] != '\n')
				i++;
		} else if (in[i] == '"') {
			for (i++; i < size && in[i] != '"'; i++)
				out[n++] = in[i];
		} else if (digit(in[i]) >= 0) {
			if (high >= 0)
				out[n++] = (uint8_t)(high << 4 | digit(in[i]));
			high = high >= 0 ? -1 : digit(in[i]);
		}
	}
	return n;
}

#endif
