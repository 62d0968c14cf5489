module github.com/ipvm-wg/go-ipvm/guests

go 1.26
