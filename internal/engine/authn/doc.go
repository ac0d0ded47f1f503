// Package authn is the front door: it decides who a connection is.
//
// Owns: the configured users and their secrets, nkey signatures over the
// nonce, certificate names (verify_and_map), trusted proxies, no_auth_user,
// allowed connection types, and the compiled permissions each user gets.
//
// Does not own: the CONNECT line (proto/wire), the -ERR that goes out and the
// time a client may take (peer/client), what an identity may do (core/perm),
// accounts (core/account).
//
// Concurrency: an Authenticator is immutable but for the memory of verified
// passwords, which is atomic; any number of connections ask it at once. A
// reload makes a new one with New, which finds every mistake before anything
// changes, and then asks Renew of each connection.
//
// Invariants: no error, log line or identity ever holds a password, token or
// signature. Secrets are compared in constant time. At most half of the
// processors (at least one) are ever busy with bcrypt.
//
// Source: https://docs.nats.io/running-a-nats-service/configuration/securing_nats;
// order and precedence follow recordings of nats-server 2.15.2.
package authn
