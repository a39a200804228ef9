/*
 * The smallest FastCGI program: what a web server's FastCGI path allows.  hello_fcgi SOCKET N: N
 * processes on one Unix socket.
 */
#include <fcgiapp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void serve(int listening)
{
	FCGX_Request r;

	FCGX_Init();
	FCGX_InitRequest(&r, listening, 0);
	while (FCGX_Accept_r(&r) >= 0) {
		FCGX_PutS("Content-Type: text/plain\r\n\r\nhello\n", r.out);
		FCGX_Finish_r(&r);
	}
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1, listening;

	FCGX_Init();
	listening = argc > 1 ? FCGX_OpenSocket(argv[1], 1024) : -1;
	if (listening < 0 || chmod(argv[1], 0777) != 0)
		return 1;
	for (int i = 1; i < n; i++) {
		if (fork() == 0)
			break;
	}
	serve(listening);
	while (wait(NULL) > 0)
		;
	return 0;
}
