# SPDX-License-Identifier: MIT
"""The device side of a guest machine: one modelled GPU as a PCI function that QEMU reaches through vfio-user.

Program: ``python -m amdgpu_hw.guest.device --socket PATH --gpu NAME``. From the outside in:

    vfio_user      the protocol: messages, descriptors
    function       the PCI function: configuration space, BARs, interrupts, reset
    registers      numbers to names, names to the block that answers
    nbio hdp gfxhub mmhub ih gfx sdma mp   the blocks, named as in the driver
    address_space  page tables in the hardware's format, with TLB
    memory         VRAM, and what of the guest's RAM it gave us for DMA
    gpu_model      below all: command processors and copy engines, as on the mock machine
"""
