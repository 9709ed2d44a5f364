/* Lets a process hear of other caches than its processor has, by KiB of the three levels in PRETENDED_CACHES_KIB.
 *
 * Loaded by LD_PRELOAD, for test_reproducible.py. Linux can make the CPUID instruction fault on processors that support
 * it (arch_prctl(2), ARCH_SET_CPUID). The handler lets the processor answer, and changes what it says of caches: leaf 4
 * on Intel's, leaf 0x8000001d on AMD's, which have the same format, and AMD's older leaves 0x80000005 and 0x80000006.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#define ARCH_PRCTL 158L
#define ARCH_SET_CPUID 0x1012L
#define LINE 64
#define WAYS 8

static int kib[3];

/* By registers alone: the C library's syscall() sets errno, which the interrupted code may be about to read. */
static long let_cpuid(long on) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(ARCH_PRCTL), "D"(ARCH_SET_CPUID), "S"(on) : "rcx", "r11", "memory");
    return result;
}

static void describe(int size, unsigned level, unsigned type, unsigned *a, unsigned *b, unsigned *c) {
    *a = type | level << 5 | 1u << 8;
    *b = (LINE - 1) | (WAYS - 1) << 22;
    *c = (unsigned)size * 1024 / LINE / WAYS - 1;
}

static void answer(int signal_number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *instruction = (const unsigned char *)registers[REG_RIP];
    unsigned leaf = (unsigned)registers[REG_RAX], part = (unsigned)registers[REG_RCX], a, b, c, d;
    (void)info;
    if (instruction[0] != 0x0f || instruction[1] != 0xa2) {
        signal(signal_number, SIG_DFL); /* a real fault, which comes again */
        return;
    }
    let_cpuid(1);
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(part));
    let_cpuid(0);
    if ((leaf == 4 || leaf == 0x8000001d) && a != 0) {
        if (part == 0)
            describe(kib[0], 1, 1, &a, &b, &c);
        else if (part == 2)
            describe(kib[1], 2, 3, &a, &b, &c);
        else if (part == 3)
            describe(kib[2], 3, 3, &a, &b, &c);
    } else if (leaf == 0x80000005) {
        c = (unsigned)kib[0] << 24 | (c & 0xffffff);
    } else if (leaf == 0x80000006) {
        c = (unsigned)kib[1] << 16 | (c & 0xffff);
        d = (unsigned)(kib[2] / 512) << 18 | (d & 0x3ffff);
    }
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    const char *sizes = getenv("PRETENDED_CACHES_KIB");
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sizes == NULL || sscanf(sizes, "%d,%d,%d", &kib[0], &kib[1], &kib[2]) != 3 ||
        sigaction(SIGSEGV, &action, NULL) != 0 || let_cpuid(0) != 0) {
        fputs("pretended_caches: PRETENDED_CACHES_KIB is no three numbers, or CPUID does not fault here\n", stderr);
        exit(2);
    }
}
