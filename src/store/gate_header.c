/* The header of the gate file, and the kernel's boot id in it. */
#include "store/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct gate_header) == 64, "the header is 64 bytes on disk");
_Static_assert(offsetof(struct gate_header, crc) == 60, "the CRC covers 60 bytes");

uint32_t gate_header_crc(const struct gate_header *h)
{
	/* CRC-32 (IEEE 802.3) by half bytes: 60 bytes, twice a pass, need no larger table. */
	static const uint32_t table[16] = {
	    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
	    0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
	    0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const unsigned char *p = (const unsigned char *)h;
	uint32_t crc = ~0U;

	for (size_t i = 0; i < offsetof(struct gate_header, crc); i++) {
		crc = table[(crc ^ p[i]) & 15] ^ (crc >> 4);
		crc = table[(crc ^ (uint32_t)(p[i] >> 4)) & 15] ^ (crc >> 4);
	}
	return ~crc;
}

bool gate_header_ok(const struct gate_header *h)
{
	return memcmp(h->magic, "SLIPGATE", 8) == 0 && h->crc == gate_header_crc(h);
}

bool gate_header_read(int fd, struct gate_header *ret)
{
	ssize_t n;

	do
		n = pread(fd, ret, sizeof(*ret), 0);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*ret);
}

/* Not fsynced on purpose: the page cache survives a kill, and a reboot is caught by the boot id. */
bool gate_header_write(int fd, struct gate_header *h)
{
	ssize_t n;

	h->crc = gate_header_crc(h);
	do
		n = pwrite(fd, h, sizeof(*h), 0);
	while (n < 0 && errno == EINTR);
	if (n >= 0 && n != (ssize_t)sizeof(*h))
		errno = ENOSPC;
	return n == (ssize_t)sizeof(*h);
}

void gate_boot_id(unsigned char boot[16])
{
	char text[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	memset(boot, 0, 16);
	if (fd < 0)
		return;
	ssize_t got = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	for (ssize_t i = 0; i + 1 < got && n < 16;) {
		unsigned int byte;

		if (text[i] == '-') {
			i++;
			continue;
		}
		if (sscanf(&text[i], "%2x", &byte) != 1)
			break;
		boot[n++] = (unsigned char)byte;
		i += 2;
	}
	if (n != 16)
		memset(boot, 0, 16);
}

bool gate_boot_known(const unsigned char boot[16])
{
	static const unsigned char zeros[16];

	return memcmp(boot, zeros, 16) != 0;
}
