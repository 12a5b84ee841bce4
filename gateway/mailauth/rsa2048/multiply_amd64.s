//go:build !purego

#include "textflag.h"

// One digit of b: c becomes (c + (lo(a b_i) of before) + n m)/2^52 + hi(a b_i) + lo(a b_{i+1}),
// where m makes the lowest digit zero. What needs no m stands in d, off the
// chain that goes from c to c. The lowest digit of every sum has a carry beyond
// its 52 bits; the others keep theirs: 20 rounds add less than 7 bits.
//
// Z0-2 a, Z3-5 n, Z6-8 c, Z9-11 d of p's side; Z12-23 the same of q's side.
// Z24, Z25 k; Z26, Z27 m; Z28, Z29 carries; Z31 zero. K1 is the lowest digit.
#define ROUND(i) \
	VPBROADCASTQ X6, Z28; \
	VPBROADCASTQ X18, Z29; \
	VMOVDQA64 Z31, Z26; \
	VMOVDQA64 Z31, Z27; \
	VPMADD52LUQ Z24, Z28, Z26; \
	VPMADD52LUQ Z25, Z29, Z27; \
	VMOVDQA64 Z31, Z9; \
	VMOVDQA64 Z31, Z10; \
	VMOVDQA64 Z31, Z11; \
	VMOVDQA64 Z31, Z21; \
	VMOVDQA64 Z31, Z22; \
	VMOVDQA64 Z31, Z23; \
	VPMADD52HUQ.BCST (8*i)(BX), Z0, Z9; \
	VPMADD52HUQ.BCST (8*i)(BX), Z1, Z10; \
	VPMADD52HUQ.BCST (8*i)(BX), Z2, Z11; \
	VPMADD52HUQ.BCST (192+8*i)(BX), Z12, Z21; \
	VPMADD52HUQ.BCST (192+8*i)(BX), Z13, Z22; \
	VPMADD52HUQ.BCST (192+8*i)(BX), Z14, Z23; \
	VPMADD52LUQ Z26, Z3, Z6; \
	VPMADD52LUQ Z27, Z15, Z18; \
	VPMADD52LUQ Z26, Z4, Z7; \
	VPMADD52LUQ Z27, Z16, Z19; \
	VPMADD52LUQ Z26, Z5, Z8; \
	VPMADD52LUQ Z27, Z17, Z20; \
	VPMADD52LUQ.BCST (8*i+8)(BX), Z0, Z9; \
	VPMADD52LUQ.BCST (8*i+8)(BX), Z1, Z10; \
	VPMADD52LUQ.BCST (8*i+8)(BX), Z2, Z11; \
	VPMADD52LUQ.BCST (192+8*i+8)(BX), Z12, Z21; \
	VPMADD52LUQ.BCST (192+8*i+8)(BX), Z13, Z22; \
	VPMADD52LUQ.BCST (192+8*i+8)(BX), Z14, Z23; \
	VPSRLQ.Z $52, Z6, K1, Z28; \
	VPSRLQ.Z $52, Z18, K1, Z29; \
	VPADDQ Z28, Z9, Z9; \
	VPADDQ Z29, Z21, Z21; \
	VALIGNQ $1, Z6, Z7, Z6; \
	VALIGNQ $1, Z18, Z19, Z18; \
	VALIGNQ $1, Z7, Z8, Z7; \
	VALIGNQ $1, Z19, Z20, Z19; \
	VALIGNQ $1, Z8, Z31, Z8; \
	VALIGNQ $1, Z20, Z31, Z20; \
	VPMADD52HUQ Z26, Z3, Z6; \
	VPMADD52HUQ Z27, Z15, Z18; \
	VPMADD52HUQ Z26, Z4, Z7; \
	VPMADD52HUQ Z27, Z16, Z19; \
	VPMADD52HUQ Z26, Z5, Z8; \
	VPMADD52HUQ Z27, Z17, Z20; \
	VPADDQ Z9, Z6, Z6; \
	VPADDQ Z21, Z18, Z18; \
	VPADDQ Z10, Z7, Z7; \
	VPADDQ Z22, Z19, Z19; \
	VPADDQ Z11, Z8, Z8; \
	VPADDQ Z23, Z20, Z20

// NORMAL brings the digits of c0-c2 below 2^52 and stores them. First each
// digit gives what it has beyond 52 bits to the next; then the carries of 1 that
// are left run through the digits that are all ones, in one addition: with g the
// digits that give a carry and p those that pass one on, (2g+p) ^ p are those
// that get one. Z30 is 2^52-1, Z29 all ones.
#define NORMAL(c0, c1, c2, at) \
	VPSRLQ $52, c0, Z9; \
	VPSRLQ $52, c1, Z10; \
	VPSRLQ $52, c2, Z11; \
	VPANDQ Z30, c0, c0; \
	VPANDQ Z30, c1, c1; \
	VPANDQ Z30, c2, c2; \
	VALIGNQ $7, Z10, Z11, Z11; \
	VALIGNQ $7, Z9, Z10, Z10; \
	VALIGNQ $7, Z31, Z9, Z9; \
	VPADDQ Z9, c0, c0; \
	VPADDQ Z10, c1, c1; \
	VPADDQ Z11, c2, c2; \
	VPCMPUQ $6, Z30, c0, K2; \
	VPCMPUQ $6, Z30, c1, K3; \
	VPCMPUQ $6, Z30, c2, K4; \
	VPCMPUQ $0, Z30, c0, K5; \
	VPCMPUQ $0, Z30, c1, K6; \
	VPCMPUQ $0, Z30, c2, K7; \
	KMOVB K2, R8; \
	KMOVB K3, R9; \
	KMOVB K4, R10; \
	KMOVB K5, R11; \
	KMOVB K6, R12; \
	KMOVB K7, R13; \
	SHLQ $8, R9; \
	SHLQ $16, R10; \
	ORQ R9, R8; \
	ORQ R10, R8; \
	SHLQ $8, R12; \
	SHLQ $16, R13; \
	ORQ R12, R11; \
	ORQ R13, R11; \
	LEAQ (R11)(R8*2), R8; \
	XORQ R11, R8; \
	KMOVB R8, K2; \
	SHRQ $8, R8; \
	KMOVB R8, K3; \
	SHRQ $8, R8; \
	KMOVB R8, K4; \
	VPSUBQ Z29, c0, K2, c0; \
	VPSUBQ Z29, c1, K3, c1; \
	VPSUBQ Z29, c2, K4, c2; \
	VPANDQ Z30, c0, c0; \
	VPANDQ Z30, c1, c1; \
	VPANDQ Z30, c2, c2; \
	VMOVDQU64 c0, (at)(DI); \
	VMOVDQU64 c1, (at+64)(DI); \
	VMOVDQU64 c2, (at+128)(DI)

// func multiply(z, a, b, n *pair, k *[2]uint64)
TEXT ·multiply(SB), NOSPLIT, $0-40
	MOVQ z+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ n+24(FP), DX
	MOVQ k+32(FP), CX
	MOVL $1, AX
	KMOVB AX, K1
	VPXORQ Z31, Z31, Z31
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQU64 192(SI), Z12
	VMOVDQU64 256(SI), Z13
	VMOVDQU64 320(SI), Z14
	VMOVDQU64 (DX), Z3
	VMOVDQU64 64(DX), Z4
	VMOVDQU64 128(DX), Z5
	VMOVDQU64 192(DX), Z15
	VMOVDQU64 256(DX), Z16
	VMOVDQU64 320(DX), Z17
	VPBROADCASTQ (CX), Z24
	VPBROADCASTQ 8(CX), Z25
	VMOVDQA64 Z31, Z6
	VMOVDQA64 Z31, Z7
	VMOVDQA64 Z31, Z8
	VMOVDQA64 Z31, Z18
	VMOVDQA64 Z31, Z19
	VMOVDQA64 Z31, Z20
	VPMADD52LUQ.BCST (BX), Z0, Z6
	VPMADD52LUQ.BCST (BX), Z1, Z7
	VPMADD52LUQ.BCST (BX), Z2, Z8
	VPMADD52LUQ.BCST 192(BX), Z12, Z18
	VPMADD52LUQ.BCST 192(BX), Z13, Z19
	VPMADD52LUQ.BCST 192(BX), Z14, Z20
	// Digit 20 of b is zero, so the last round adds nothing of a next one.
	MOVL $10, AX
loop:
	ROUND(0)
	ROUND(1)
	ADDQ $16, BX
	DECL AX
	JNZ loop

	VPTERNLOGQ $0xff, Z29, Z29, Z29
	VPSRLQ $12, Z29, Z30
	NORMAL(Z6, Z7, Z8, 0)
	NORMAL(Z18, Z19, Z20, 192)
	VZEROUPPER
	RET

// func lookUp(z *pair, table *[32]pair, i, j uint64)
TEXT ·lookUp(SB), NOSPLIT, $0-32
	MOVQ z+0(FP), DI
	MOVQ table+8(FP), SI
	VPBROADCASTQ i+16(FP), Z10
	VPBROADCASTQ j+24(FP), Z11
	MOVL $1, AX
	VPBROADCASTQ AX, Z12
	VPXORQ Z13, Z13, Z13
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPTERNLOGQ $0xff, Z31, Z31, Z31
	MOVL $32, AX
entry:
	VPCMPUQ $0, Z13, Z10, K2
	VPCMPUQ $0, Z13, Z11, K3
	VMOVDQA64.Z Z31, K2, Z14
	VMOVDQA64.Z Z31, K3, Z15
	// The whole entry is read, whatever the mask.
	VPANDQ (SI), Z14, Z16
	VPANDQ 64(SI), Z14, Z17
	VPANDQ 128(SI), Z14, Z18
	VPANDQ 192(SI), Z15, Z19
	VPANDQ 256(SI), Z15, Z20
	VPANDQ 320(SI), Z15, Z21
	VPORQ Z16, Z0, Z0
	VPORQ Z17, Z1, Z1
	VPORQ Z18, Z2, Z2
	VPORQ Z19, Z3, Z3
	VPORQ Z20, Z4, Z4
	VPORQ Z21, Z5, Z5
	VPADDQ Z12, Z13, Z13
	ADDQ $384, SI
	DECL AX
	JNZ entry

	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	VMOVDQU64 Z4, 256(DI)
	VMOVDQU64 Z5, 320(DI)
	VZEROUPPER
	RET
