// Package gateway is responsible for getting blocks from elsewhere: from
// trustless HTTP gateways (https://specs.ipfs.tech/http-gateways/trustless-gateway/)
// and from the RPC service of kubo.
//
// Nobody who is asked is trusted. A block counts only if it hashes to the link
// that was asked for, and what is sent is bounded in size and time. Only those
// are asked whom a [Config] names, and where they redirect to, within bounds.
package gateway
