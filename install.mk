# make install, uninstall, dist.  Directories have GNU's names; DESTDIR stands before all of them.

VERSION     := 0.1
prefix      ?= /usr/local
exec_prefix ?= $(prefix)
bindir      ?= $(exec_prefix)/bin
libexecdir  ?= $(exec_prefix)/libexec
libdir      ?= $(exec_prefix)/lib
cgibindir   ?= $(libdir)/cgi-bin
datarootdir ?= $(prefix)/share
datadir     ?= $(datarootdir)
mandir      ?= $(datarootdir)/man
docdir      ?= $(datarootdir)/doc/slipway
# What is changed lies outside /usr; systemd's units know data only below /var.
sysconfdir    ?= $(if $(filter /usr,$(prefix)),/etc,$(prefix)/etc)
localstatedir ?= /var
unitdir     ?= $(libdir)/systemd/system
sysusersdir ?= $(libdir)/sysusers.d
tmpfilesdir ?= $(libdir)/tmpfiles.d
INSTALL     ?= install
share       := $(datadir)/slipway

# The files say where things are as if prefix were /usr.
PLACES := sed -e 's|/usr/lib/cgi-bin|$(cgibindir)|g' -e 's|/usr/libexec/slipway|$(libexecdir)/slipway|g' \
          -e 's|/usr/bin/slipway|$(bindir)/slipway|g' -e 's|/etc/slipway/\(apache\|nginx\|lighttpd\)/|$(share)/\1/|g' \
          -e 's|/etc/lighttpd/slipway.conf|$(share)/lighttpd/slipway.conf|g' -e 's|/usr/share/slipway|$(share)|g' \
          -e 's|/etc/slipway/slipway.conf|$(sysconfdir)/slipway/slipway.conf|g' -e 's|/var/lib/slipway|$(localstatedir)/lib/slipway|g' \
          -e 's|/var/log/slipway|$(localstatedir)/log/slipway|g'

# $(call put,mode,files,directory): as they are; $(call put_text,file,target): with the places of this installation.
put      = $(INSTALL) -d $(DESTDIR)$(3) && $(INSTALL) -m $(1) $(2) $(DESTDIR)$(3)/
put_text = $(INSTALL) -d $(DESTDIR)$(dir $(2)) && $(PLACES) $(1) >$(DESTDIR)$(2) && chmod 644 $(DESTDIR)$(2)
# Configuration belongs to whoever changed it: neither replaced nor removed.
define put_conf
	$(Q)if [ -e $(DESTDIR)$(2) ]; then echo "  $(2) is there and stays"; else $(call put_text,$(1),$(2)); fi
endef
define drop_conf
	$(Q)$(PLACES) $(1) | cmp -s - $(DESTDIR)$(2) && rm -f $(DESTDIR)$(2) || \
	    { [ ! -e $(DESTDIR)$(2) ] || echo "  $(2) was changed and stays"; }
endef

WEB_FILES := $(wildcard lighttpd/* apache/* nginx/*)
UNITS     := $(wildcard systemd/*.service systemd/*.socket)
MAN       := $(wildcard doc/*.1 doc/*.5 doc/*.8)
man_of     = $(mandir)/man$(subst .,,$(suffix $(1)))
DOCS      := README.md $(wildcard COPYING* LICENSE*)
# What README leads to, where it says.
PAGES     := $(wildcard doc/*.md doc/deploy/*.md) doc/openapi.json

.PHONY: install uninstall dist check-install
install: all
	$(Q)$(call put,755,$(B)/slipway,$(bindir))
	$(Q)$(call put,755,$(B)/slipway-worker $(B)/slipway-geo,$(libexecdir)/slipway)
	$(Q)$(call put,755,$(B)/slipway.fcgi,$(cgibindir))
	$(Q)$(call put,644,$(wildcard templates/*),$(share)/templates)
	$(Q)$(call put,644,$(wildcard static/*),$(share)/static)
	$(Q)$(call put,644,$(DOCS),$(docdir))
	$(Q)set -e; $(foreach f,$(PAGES),$(call put_text,$(f),$(docdir)/$(f));)
	$(Q)set -e; $(foreach f,$(WEB_FILES),$(call put_text,$(f),$(share)/$(f));)
	$(Q)$(call put_text,etc/slipway.conf,$(share)/slipway.conf)
	$(Q)set -e; $(foreach f,$(UNITS),$(call put_text,$(f),$(unitdir)/$(notdir $(f)));)
	$(Q)$(call put_text,systemd/sysusers.conf,$(sysusersdir)/slipway.conf)
	$(Q)$(call put_text,systemd/tmpfiles.conf,$(tmpfilesdir)/slipway.conf)
	$(Q)set -e; $(foreach f,$(MAN),$(call put_text,$(f),$(call man_of,$(f))/$(notdir $(f)));)
	$(call put_conf,etc/slipway.conf,$(sysconfdir)/slipway/slipway.conf)
	$(call put_conf,etc/logrotate,$(sysconfdir)/logrotate.d/slipway)

# Exactly what install puts there, and folders that are empty then; data and changed configuration stay.
OWN_FILES = $(bindir)/slipway $(cgibindir)/slipway.fcgi $(libexecdir)/slipway/slipway-worker $(libexecdir)/slipway/slipway-geo \
            $(addprefix $(share)/,$(wildcard templates/* static/*) $(WEB_FILES) slipway.conf) $(addprefix $(docdir)/,$(DOCS) $(PAGES)) \
            $(addprefix $(unitdir)/,$(notdir $(UNITS))) $(sysusersdir)/slipway.conf $(tmpfilesdir)/slipway.conf \
            $(foreach f,$(MAN),$(call man_of,$(f))/$(notdir $(f)))
OWN_DIRS  = $(libexecdir)/slipway $(share)/templates $(share)/static $(share)/lighttpd $(share)/apache $(share)/nginx $(share) \
            $(docdir)/doc/deploy $(docdir)/doc $(docdir) $(sysconfdir)/slipway $(sysusersdir) $(tmpfilesdir) $(unitdir)
uninstall:
	$(Q)rm -f $(addprefix $(DESTDIR),$(OWN_FILES))
	$(call drop_conf,etc/slipway.conf,$(sysconfdir)/slipway/slipway.conf)
	$(call drop_conf,etc/logrotate,$(sysconfdir)/logrotate.d/slipway)
	$(Q)for d in $(OWN_DIRS); do [ ! -d $(DESTDIR)$$d ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$d; done

# What is committed, with the commit's time: the same commit gives the same bytes.
DIST := $(B)/slipway-$(VERSION).tar.gz
dist:
	@git rev-parse -q --verify HEAD >/dev/null || { echo "make dist needs the git repository" >&2; exit 1; }
	@mkdir -p $(B)
	$(Q)git -c tar.umask=0022 archive --format=tar --prefix=slipway-$(VERSION)/ HEAD >$(DIST:.gz=) && gzip -9nf $(DIST:.gz=)
	@echo "  $(DIST)"

# Into a fresh Debian 12, behind every web server; needs root, debootstrap and Debian's mirror.
check-install: all
	@B=$(B) /usr/bin/python3 tests/install/check_install.py
