/* The smallest CGI program: what starting any program costs under a web server. */
#include <stdio.h>

int main(void)
{
	puts("Content-Type: text/plain\r\n\r\nhello");
	return 0;
}
