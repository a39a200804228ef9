/*
 * The least a FastCGI program can do with a body: read it and forget it.  What a web server's
 * FastCGI path itself costs, so the ceiling for any program behind it.  Usage: swallow SOCKET
 */
#include <fcgiapp.h>
#include <stdio.h>
#include <sys/stat.h>

static char buffer[256 * 1024];

int main(int argc, char **argv)
{
	FCGX_Request request;
	int fd;

	if (argc != 2 || FCGX_Init() != 0)
		return 2;
	(void)umask(0);
	fd = FCGX_OpenSocket(argv[1], 64);
	if (fd < 0 || FCGX_InitRequest(&request, fd, 0) != 0)
		return 1;
	while (FCGX_Accept_r(&request) == 0) {
		while (FCGX_GetStr(buffer, sizeof(buffer), request.in) > 0)
			;
		(void)FCGX_FPrintF(request.out, "Status: 201 Created\r\nContent-Length: 0\r\n\r\n");
		FCGX_Finish_r(&request);
	}
	return 0;
}
