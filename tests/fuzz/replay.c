/* Feed each file named on the command line to the fuzz target this is linked with. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		uint8_t *data;
		long size;

		if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 ||
		    fseek(f, 0, SEEK_SET) != 0) {
			perror(argv[i]);
			return 1;
		}
		/* Exactly as many bytes as there are, so that a sanitizer sees the first one read
		 * too many. */
		data = malloc(size > 0 ? (size_t)size : 1);
		if (data == NULL || fread(data, 1, (size_t)size, f) != (size_t)size) {
			perror(argv[i]);
			return 1;
		}
		(void)fclose(f);
		(void)LLVMFuzzerTestOneInput(data, (size_t)size);
		free(data);
	}
	printf("%d inputs\n", argc - 1);
	return 0;
}
