package aware

// Functions to raise with, as [mayRaise] names them.
const (
	setsFlags = "cap_set_flag and cap_set_proc"
	fromText  = "cap_from_text and cap_set_proc"
	capset    = "capset"
)

// interpreters is what programs call that hand all over to the library of an interpreter.
var interpreters = []string{"_ZN4node5StartEiPPc", "Py_BytesMain", "Py_Main", "perl_run", "ruby_run_node", "pypy_main_startup", "Tcl_MainEx", "scm_shell"}

// programs is the known programs. TestKnownPrograms of test/e2e starts each, and
// docs/scan.md lists them. The first that fits counts.
var programs = []known{
	{name: "ping of iputils", answer: Aware, raises: []string{setsFlags}, texts: []string{"  ping [options] <destination>"}},
	{name: "arping of iputils", answer: Aware, raises: []string{setsFlags}, texts: []string{"  arping [options] <destination>", "ARPING %s "}},
	{name: "arp-scan", answer: Aware, raises: []string{setsFlags}, texts: []string{"Usage: arp-scan [options] [hosts...]", "arp-scan is capabilities aware."}},
	// From 4.4 on, or earlier, it asks what it is permitted; 4.0 does not.
	{name: "dumpcap", answer: Aware, raises: []string{setsFlags}, imports: []string{"cap_get_flag"}, texts: []string{"Usage: dumpcap [options]"}},
	{name: "dumpcap", answer: Dumb, raises: []string{setsFlags}, texts: []string{"Usage: dumpcap [options]"}},
	// It raises in a library of its own.
	{name: "Apache Traffic Server", answer: Aware, exports: []string{"TSHttpTxnServerRespNoStoreSet", "TSThreadInit"}, texts: []string{"traffic server running"}},

	// Interpreters. What a script may do by their foreign function interfaces is not
	// theirs.
	{name: "Python", answer: Dumb, runsCode: true, exports: []string{"Py_BytesMain", "PyEval_EvalCode", "PyImport_ImportModule"}},
	{name: "Perl", answer: Dumb, runsCode: true, exports: []string{"perl_parse", "perl_run", "Perl_runops_standard"}},
	{name: "PHP", answer: Dumb, runsCode: true, exports: []string{"php_module_startup", "zend_execute_ex", "php_execute_script"}},
	{name: "Ruby", answer: Dumb, runsCode: true, exports: []string{"ruby_run_node", "ruby_options", "rb_define_method"}},
	{name: "Node.js", answer: Dumb, runsCode: true, exports: []string{"node_module_register", "napi_create_function"}, texts: []string{"Usage: node "}},
	{name: "Lua", answer: Dumb, runsCode: true, exports: []string{"lua_newstate", "lua_pushcclosure"}, texts: []string{"[script [args]", "interactive mode after executing 'script'"}},
	{name: "Java", answer: Dumb, runsCode: true, imports: []string{"JLI_Launch"}},
	{name: "Erlang", answer: Dumb, runsCode: true, exports: []string{"erl_drv_mutex_create", "enif_make_atom", "driver_alloc"}},
	{name: "gawk", answer: Dumb, runsCode: true, texts: []string{"Usage: %s [POSIX or GNU style options] -f progfile [--] file ...", "GNU Awk "}},
	{name: "BusyBox", answer: Dumb, raises: []string{capset, ""}, texts: []string{"BusyBox is a multi-call binary that combines many common Unix", "BusyBox v"}},

	// Those that set capabilities do so only when root starts them, to keep a few.
	{name: "named of BIND", answer: Dumb, raises: []string{setsFlags}, texts: []string{"usage: named [-4|-6] [-c conffile]", "BIND 9 is maintained by Internet Systems Consortium"}},
	{name: "Dnsmasq", answer: Dumb, raises: []string{capset}, texts: []string{"Usage: dnsmasq [options]", "Dnsmasq version %s  %s"}},
	{name: "Tor", answer: Dumb, raises: []string{setsFlags, ""}, exports: nil, texts: []string{"Found KISTSchedRunInterval=%d in torrc", "Tor version is insecure or unsupported."}},
	{name: "Squid", answer: Dumb, raises: []string{setsFlags}, texts: []string{"Starting Squid Cache version ", "The Squid Cache (version %s) died."}},
	{name: "mosquitto", answer: Dumb, raises: []string{setsFlags, ""}, texts: []string{"mosquitto is an MQTT ", "mosquitto version %s starting"}}, //nolint:misspell // its name
	{name: "Redis", answer: Dumb, texts: []string{"Usage: ./redis-server [/path/to/redis.conf]", "Redis server v=%s sha=%s:%d"}},
	{name: "lighttpd", answer: Dumb, texts: []string{" - a light and fast webserver", "server started (lighttpd/"}},
	{name: "varnishd", answer: Dumb, texts: []string{"Usage: varnishd [options]"}, exports: []string{"VSB_printf", "VRT_fail"}},
	{name: "knotd", answer: Dumb, texts: []string{"%s (Knot DNS), version %s", "Knot DNS %s starting"}},
	{name: "dnsdist", answer: Dumb, raises: []string{setsFlags}, texts: []string{"PowerDNS DNSDist Security Update Mandatory: %s", "Uptime of the dnsdist process in seconds"}},
	{name: "PowerDNS Recursor", answer: Dumb, raises: []string{setsFlags}, texts: []string{"PowerDNS Recursor itself will distribute queries over threads"}},
	{name: "PowerDNS Authoritative Server", answer: Dumb, texts: []string{"Ok, you just ran pdns_server through 'strings' hoping to find funny messages."}},
	{name: "chronyd", answer: Dumb, raises: []string{fromText}, texts: []string{"chronyd (chrony) version %s (%s)", "Usage: %s [OPTION]... [DIRECTIVE]..."}},
	{name: "rsyslogd", answer: Dumb, texts: []string{"usage: rsyslogd [options]"}},
	{name: "OpenVPN", answer: Dumb, raises: []string{"", "capng_update and capng_change_id"}, texts: []string{"NOTE: starting with OpenVPN 2.1, '--script-security 2' or higher"}},
	{name: "Dropbear", answer: Dumb, texts: []string{"Dropbear server v%s https://matt.ucc.asn.au/dropbear/dropbear.html"}},
	{name: "stunnel", answer: Dumb, texts: []string{"stunnel [<filename>] ] -fd <n> | -help | -version | -sockets | -options"}},
	{name: "sslh", answer: Dumb, raises: []string{setsFlags, ""}, texts: []string{"/etc/sslh/sslh.cfg", "sslh-main.c"}},
	{name: "rsync", answer: Dumb, texts: []string{"rsync is a file transfer program capable of efficient remote update"}},
	{name: "nginx", answer: Dumb, imports: []string{"dlopen"}, texts: []string{"\x00nginx version: nginx/"}},
	{name: "vsftpd", answer: Dumb, raises: []string{setsFlags}, texts: []string{"vsftpd: must be started as root (see run_as_launching_user option)"}},
	{name: "ProFTPD", answer: Dumb, raises: []string{setsFlags, ""}, texts: []string{"usage: proftpd [options]"}},
	{name: "Pure-FTPd", answer: Dumb, raises: []string{setsFlags}, texts: []string{"pure-ftpd (UPLOAD)", "pure-ftpd (SERVER)"}},
	{name: "BIRD", answer: Dumb, raises: []string{capset}, texts: []string{"BIRD version ", "Usage: %s [--version] [--help] [-c <config-file>] [OPTIONS]"}},
	{name: "uWSGI", answer: Dumb, raises: []string{setsFlags, ""}, texts: []string{"[emperor] is the uwsgi binary in your system PATH ?", "spawned the uWSGI spooler on dir %s"}},
	{name: "FreeRADIUS", answer: Dumb, imports: []string{"dlopen"}, texts: []string{"Usage: freeradius [options]", "Ready to process requests"}},
	{name: "SmartDNS", answer: Dumb, raises: []string{capset}, texts: []string{"/etc/smartdns/smartdns.conf", "smartdns exit..."}},
	{name: "Kamailio", answer: Dumb, texts: []string{"/etc/kamailio/kamailio.cfg", "/var/run/kamailio/"}},
	{name: "Mumble server", answer: Dumb, raises: []string{setsFlags}, texts: []string{"Murmur Autogenerated Certificate v2"}},
	{name: "InspIRCd", answer: Dumb, texts: []string{"Log started for InspIRCd-"}},
	{name: "ZNC", answer: Dumb, texts: []string{"Do you really want to run ZNC without any modules?"}},
	{name: "Dante", answer: Dumb, texts: []string{"sockd_getmacaddr()", "sockd_reopenlogfiles()"}},
	{name: "gdnsd", answer: Dumb, texts: []string{"Ignoring SIGUSR1 - use 'gdnsdctl reload-zones' to reload zone data!"}},
	{name: "tgtd", answer: Dumb, texts: []string{"Linux SCSI Target framework daemon, version %s"}},
}
