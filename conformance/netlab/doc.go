// Package netlab runs clusters of real servers, each in a network namespace of
// its own, and breaks what is between them: servers are killed, frozen, cut
// off, halved, made to hear and not be heard, put behind a slow link.
//
// Owns: namespaces, their bridge, the processes, links with delay, the traffic
// that tells what was lost, the comparison of interest on all servers.
//
// It needs root and iproute2 (Debian: apt-get install iproute2); where that is
// missing its tests say so and are skipped. They run with "make test-net".
//
// Clients stand beside the servers, on the bridge, and reach every one of them
// whatever happens between the servers.
package netlab
