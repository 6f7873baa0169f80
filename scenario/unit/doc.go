// Package unit reads systemd units with their drop-ins, and the command line of
// systemd-run.
//
// How files are put together follows systemd.syntax(7) and systemd.unit(5): later
// assignments add to lists, an empty one resets them, comments may stand between
// continued lines. What settings mean follows systemd.exec(5), except where a
// real systemd was seen to do otherwise ([protections], nosuidUnder): tests under
// test/e2e hold both beside a systemd that runs.
package unit
