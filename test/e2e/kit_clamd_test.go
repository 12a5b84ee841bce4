package e2e_test

import (
	"fmt"
	"os/exec"

	"github.com/gapura-mail/gapura/test/peers"
)

// eicar is the test file of eicar.org, in two pieces so that no scanner minds
// this one.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-` + `ANTIVIRUS-TEST-FILE!$H+H*`

// scanner is a clamd that knows EICAR alone.
type scanner struct {
	*process
	addr string
}

const clamdConf = `DatabaseDirectory %[1]s
TemporaryDirectory %[1]s
TCPAddr 127.0.0.1
TCPSocket %[2]d
Foreground yes
LogTime yes
StreamMaxLength 64M
MaxScanSize 256M
MaxFileSize 128M
MaxThreads 4
`

func startClamd(dir string) (*scanner, error) {
	bin, err := findTool("clamd")
	if err != nil {
		return nil, err
	}
	port, err := peers.FreePort()
	if err != nil {
		return nil, err
	}
	if _, err := write(dir, "test.ndb", fmt.Sprintf("Eicar-Test-Signature:0:*:%x\n", eicar)); err != nil {
		return nil, err
	}
	conf, err := write(dir, "clamd.conf", fmt.Sprintf(clamdConf, dir, port))
	if err != nil {
		return nil, err
	}
	p, err := start("clamd", exec.Command(bin, "--config-file="+conf))
	if err != nil {
		return nil, err
	}
	s := &scanner{p, fmt.Sprintf("127.0.0.1:%d", port)}
	return s, p.awaitPort(s.addr)
}
