//go:build !purego

#include "textflag.h"

// func lastClean(p *byte, n int, stuffed uint64, line, last int) int
TEXT ·lastClean(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ stuffed+16(FP), AX
	MOVQ line+24(FP), DX
	MOVQ last+32(FP), R8
	VMOVQ AX, X0
	VPBROADCASTB X0, Y0    // what no line begins with
	MOVL $0x0d, AX
	VMOVQ AX, X1
	VPBROADCASTB X1, Y1    // CR
	MOVL $0x0a, AX
	VMOVQ AX, X2
	VPBROADCASTB X2, Y2    // LF
	VPXOR Y3, Y3, Y3       // NUL
	XORL DI, DI            // the octet that the block begins with
	XORL R9, R9            // the block before ended with CR
	XORL R10, R10          // ... with LF
	SUBQ $64, CX
	JLT  done

block:
	VMOVDQU (SI)(DI*1), Y4
	VMOVDQU 32(SI)(DI*1), Y5

	VPMINUB  Y4, Y5, Y6
	VPCMPEQB Y3, Y6, Y6
	VPTEST   Y6, Y6
	JNZ      done

	VPCMPEQB  Y1, Y4, Y6
	VPCMPEQB  Y1, Y5, Y7
	VPMOVMSKB Y6, AX
	VPMOVMSKB Y7, BX
	SHLQ      $32, BX
	ORQ       BX, AX       // where CR is

	VPCMPEQB  Y2, Y4, Y6
	VPCMPEQB  Y2, Y5, Y7
	VPMOVMSKB Y6, R11
	VPMOVMSKB Y7, BX
	SHLQ      $32, BX
	ORQ       BX, R11      // where LF is

	LEAQ (R9)(AX*2), BX    // where LF has to be
	CMPQ BX, R11
	JNE  done

	VPCMPEQB  Y0, Y4, Y6
	VPCMPEQB  Y0, Y5, Y7
	VPMOVMSKB Y6, R12
	VPMOVMSKB Y7, BX
	SHLQ      $32, BX
	ORQ       BX, R12
	LEAQ      (R10)(R11*2), BX // where lines begin
	TESTQ     BX, R12
	JNZ       done

	MOVQ R11, R10
	SHRQ $63, R10
	SHRQ $63, AX
	MOVQ AX, R9

	TESTQ R11, R11
	JZ    next
	BSFQ  R11, BX
	ADDQ  DI, BX
	SUBQ  R8, BX           // the length of the line that began before
	CMPQ  BX, DX
	JGT   done
	BSRQ  R11, R8
	ADDQ  DI, R8

next:
	ADDQ $64, DI
	CMPQ DI, CX
	JLE  block

done:
	VZEROUPPER
	MOVQ R8, ret+40(FP)
	RET

// func highBlocks(p *byte, n int) bool
TEXT ·highBlocks(SB), NOSPLIT, $0-17
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	XORL AX, AX
	ADDQ SI, CX            // the end

next:
	CMPQ      SI, CX
	JAE       done
	VMOVDQU   (SI), Y0
	VPOR      32(SI), Y0, Y0
	VPMOVMSKB Y0, AX
	ADDQ      $64, SI
	TESTL     AX, AX
	JZ        next

done:
	TESTL AX, AX
	SETNE ret+16(FP)
	VZEROUPPER
	RET
