# PVH front end: QEMU's -kernel enters here in 32-bit protected mode with flat segments, paging off, interrupts off and
# ebx = physical address of hvm_start_info (Xen public ABI, "x86/HVM direct boot ABI"). Turns on long mode with the
# first 4 GiB mapped one to one, then calls Rust.

    .section .note.pvh, "a", @note
    .balign 4
    .long 4                         # bytes of the name
    .long 8                         # bytes of the entry point
    .long 18                        # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_start

    .section .text.pvh, "ax"
    .code32
    .global pvh_start
pvh_start:
    cld
    mov esp, offset boot_stack_top
    mov esi, ebx                    # cpuid overwrites ebx
    mov eax, 0x80000001
    cpuid
    bt edx, 29                      # long mode
    jnc no_long_mode
    bt edx, 20                      # no-execute pages
    jnc no_long_mode

    mov edi, offset boot_pd         # 4 tables of 512 pages of 2 MiB
    mov eax, 0x83                   # present, writable, large
    mov ecx, 2048
1:  mov [edi], eax
    mov dword ptr [edi + 4], 0
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 1b
    mov eax, offset boot_pd + 3
    mov edi, offset boot_pdpt
    mov ecx, 4
2:  mov [edi], eax
    add eax, 0x1000
    add edi, 8
    dec ecx
    jnz 2b
    mov eax, offset boot_pdpt + 3
    mov edi, offset boot_pml4
    mov [edi], eax

    mov eax, cr4
    or eax, 0x20                    # PAE
    mov cr4, eax
    mov cr3, edi
    mov ecx, 0xc0000080             # EFER: NXE, LME
    rdmsr
    or eax, 0x900
    wrmsr
    mov eax, cr0
    or eax, 0x80010020              # PG, WP, NE
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    push 8
    mov eax, offset long_mode
    push eax
    retf

no_long_mode:                       # said on the debug console only: nothing else is set up
    mov esi, offset no_long_mode_message
    mov edx, 0xe9
    mov ecx, 63                     # bytes of the message
    rep outsb
    mov edx, 0xf4
    mov eax, 1
    out dx, eax
3:  hlt
    jmp 3b

    .code64
long_mode:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov edi, esi
    xor ebp, ebp
    call pvh_main
    ud2

# switch(root: rdi, boot_info: rsi, stack_top: rdx, entry: rcx): the one page that both address spaces share.
    .section .text.switch, "ax"
    .balign 4096
    .global switch
switch:
    mov cr3, rdi
    mov rsp, rdx
    xor ebp, ebp
    push rbp                        # as if called, without a caller to return to
    mov rdi, rsi
    jmp rcx
    .balign 4096

    .section .rodata.pvh, "a"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        # 64-bit code
    .quad 0x00cf93000000ffff        # data
boot_gdt_pointer:
    .word 23
    .quad boot_gdt
no_long_mode_message:
    .ascii "loader: this processor has no long mode or no no-execute pages\n"

    .section .bss.pvh, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4096 * 4
    .skip 65536
boot_stack_top:
