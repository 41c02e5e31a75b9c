"""Answers of nvidia-smi as drivers give them, and a program of that name that gives one.

The elements and values are those of published answers: of drivers 418 to 575, of H100, A100 in slices, L4, a
GeForce of a laptop. What is drawn differently is an argument.
"""

from __future__ import annotations

import stat
from pathlib import Path
from xml.sax.saxutils import escape

HEAD = '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">\n'
REASONS = (
    *("gpu_idle", "applications_clocks_setting", "sw_power_cap", "hw_slowdown", "hw_thermal_slowdown"),
    *("hw_power_brake_slowdown", "sync_boost", "sw_thermal_slowdown", "display_clocks_setting"),
)


def uuid(index: int) -> str:
    return f"GPU-{index}5533cd4-5a60-059e-348d-b6d7466932e4"


def process(pid: int, name: str, used: str = "512 MiB", kind: str = "C") -> str:
    return (
        "<process_info><gpu_instance_id>N/A</gpu_instance_id><compute_instance_id>N/A</compute_instance_id>"
        f"<pid>{pid}</pid><type>{kind}</type><process_name>{escape(name)}</process_name>"
        f"<used_memory>{used}</used_memory></process_info>"
    )


def mig_slice(index: int, total: str = "9728 MiB", used: str = "12 MiB") -> str:
    return (
        f"<mig_device><index>{index}</index><gpu_instance_id>{index + 7}</gpu_instance_id>"
        "<compute_instance_id>0</compute_instance_id>"
        f"<fb_memory_usage><total>{total}</total><reserved>0 MiB</reserved><used>{used}</used>"
        "<free>9716 MiB</free></fb_memory_usage></mig_device>"
    )


def card(
    index: int = 0,
    name: str = "NVIDIA H100 80GB HBM3",
    *,
    total: str = "81559 MiB",
    used: str = "1 MiB",
    persistence: str = "Enabled",
    display: str = "Disabled",
    compute_mode: str = "Default",
    mig: str = "Disabled",
    mig_pending: str = "",
    slices: str = "None",
    ecc: str = "Enabled",
    uncorrected: str = "0",
    retirement: str = "N/A",
    remap_pending: str = "No",
    remap_failed: str = "No",
    recovery: str = "None",
    slowed: tuple[str, ...] = ("gpu_idle",),
    limit: str = "700.00 W",
    default_limit: str = "700.00 W",
    processes: str = "",
) -> str:
    """As drivers 550 to 575 write it."""
    states = "".join(
        f"<clocks_event_reason_{name}>{'Active' if name in slowed else 'Not Active'}"
        f"</clocks_event_reason_{name}>"
        for name in REASONS
    )
    return f"""<gpu id="00000000:{index:02X}:00.0">
    <product_name>{name}</product_name><display_mode>Enabled</display_mode>
    <display_active>{display}</display_active><persistence_mode>{persistence}</persistence_mode>
    <mig_mode><current_mig>{mig}</current_mig><pending_mig>{mig_pending or mig}</pending_mig></mig_mode>
    <mig_devices>{slices}</mig_devices><uuid>{uuid(index)}</uuid><minor_number>{index}</minor_number>
    <gpu_recovery_action>{recovery}</gpu_recovery_action>
    <clocks_event_reasons>{states}</clocks_event_reasons>
    <fb_memory_usage><total>{total}</total><reserved>551 MiB</reserved><used>{used}</used>
      <free>81007 MiB</free></fb_memory_usage>
    <compute_mode>{compute_mode}</compute_mode>
    <ecc_mode><current_ecc>{ecc}</current_ecc><pending_ecc>{ecc}</pending_ecc></ecc_mode>
    <ecc_errors><volatile><sram_correctable>0</sram_correctable>
      <sram_uncorrectable_parity>0</sram_uncorrectable_parity>
      <sram_uncorrectable_secded>0</sram_uncorrectable_secded><dram_correctable>3</dram_correctable>
      <dram_uncorrectable>{uncorrected}</dram_uncorrectable></volatile></ecc_errors>
    <retired_pages><pending_blacklist>N/A</pending_blacklist>
      <pending_retirement>{retirement}</pending_retirement></retired_pages>
    <remapped_rows><remapped_row_corr>0</remapped_row_corr>
      <remapped_row_pending>{remap_pending}</remapped_row_pending>
      <remapped_row_failure>{remap_failed}</remapped_row_failure></remapped_rows>
    <temperature><gpu_temp>41 C</gpu_temp></temperature>
    <gpu_power_readings><current_power_limit>{limit}</current_power_limit>
      <default_power_limit>{default_limit}</default_power_limit></gpu_power_readings>
    <module_power_readings><current_power_limit>N/A</current_power_limit></module_power_readings>
    <supported_clocks><supported_mem_clock><value>2619 MHz</value></supported_mem_clock></supported_clocks>
    <processes>{processes}</processes>
  </gpu>"""


OLD_CARD = """<gpu id="00000000:0B:00.0">
    <product_name>Tesla P100-PCIE-16GB</product_name><display_active>Disabled</display_active>
    <persistence_mode>Enabled</persistence_mode>
    <mig_mode><current_mig>N/A</current_mig><pending_mig>N/A</pending_mig></mig_mode>
    <mig_devices>None</mig_devices><uuid>GPU-94b2c5ce-0000-1111-2222-333344445555</uuid>
    <clocks_throttle_reasons>
      <clocks_throttle_reason_gpu_idle>Not Active</clocks_throttle_reason_gpu_idle>
      <clocks_throttle_reason_sw_power_cap>Active</clocks_throttle_reason_sw_power_cap>
      <clocks_throttle_reason_hw_slowdown>Active</clocks_throttle_reason_hw_slowdown>
      <clocks_throttle_reason_hw_thermal_slowdown>Active</clocks_throttle_reason_hw_thermal_slowdown>
    </clocks_throttle_reasons>
    <fb_memory_usage><total>16280 MiB</total><used>0 MiB</used><free>16280 MiB</free></fb_memory_usage>
    <compute_mode>Default</compute_mode>
    <ecc_mode><current_ecc>Enabled</current_ecc><pending_ecc>Enabled</pending_ecc></ecc_mode>
    <ecc_errors><volatile><single_bit><total>5</total></single_bit>
      <double_bit><device_memory>2</device_memory><total>2</total></double_bit></volatile></ecc_errors>
    <retired_pages><pending_retirement>Yes</pending_retirement></retired_pages>
    <remapped_rows>N/A</remapped_rows>
    <temperature><gpu_temp>88 C</gpu_temp></temperature>
    <power_readings><power_limit>250.00 W</power_limit>
      <default_power_limit>250.00 W</default_power_limit></power_readings>
    <processes></processes>
  </gpu>"""
"""Of a driver before 520: other names of the same things."""

LAPTOP_CARD = f"""<gpu id="00000000:01:00.0">
    <product_name>NVIDIA GeForce RTX 4070 Laptop GPU</product_name>
    <display_active>Enabled</display_active><persistence_mode>Disabled</persistence_mode>
    <mig_mode><current_mig>N/A</current_mig><pending_mig>N/A</pending_mig></mig_mode>
    <mig_devices>None</mig_devices><uuid>GPU-1e4b6c5a-aaaa-bbbb-cccc-ddddeeeeffff</uuid>
    <gpu_reset_status><reset_required>Requested functionality has been deprecated</reset_required>
    </gpu_reset_status>
    <fb_memory_usage><total>8188 MiB</total><used>1830 MiB</used><free>5996 MiB</free></fb_memory_usage>
    <compute_mode>Default</compute_mode>
    <ecc_mode><current_ecc>N/A</current_ecc><pending_ecc>N/A</pending_ecc></ecc_mode>
    <ecc_errors><volatile><sram_correctable>N/A</sram_correctable>
      <dram_uncorrectable>N/A</dram_uncorrectable></volatile></ecc_errors>
    <retired_pages><pending_retirement>N/A</pending_retirement></retired_pages>
    <remapped_rows>N/A</remapped_rows>
    <temperature><gpu_temp>[Unknown Error]</gpu_temp></temperature>
    <gpu_power_readings><current_power_limit>95.00 W</current_power_limit>
      <default_power_limit>55.00 W</default_power_limit></gpu_power_readings>
    <processes>{process(1802, "/run/current-system/sw/bin/Hyprland", "1448 MiB", "G")}
      {process(1890, "Xwayland", "23 MiB", "G")}
      {process(26307, "gjs --no-window", "[Insufficient Permissions]", "C+G")}</processes>
  </gpu>"""
"""A consumer card: most of what a server's card tells is N/A."""


def log(*cards: str, driver: str = "575.57.08", cuda: str = "12.9", before: str = "", after: str = "") -> str:
    body = f"<driver_version>{driver}</driver_version><cuda_version>{cuda}</cuda_version>"
    count = f"<attached_gpus>{len(cards)}</attached_gpus>"
    return f"{before}{HEAD}<nvidia_smi_log>{body}{count}{''.join(cards)}</nvidia_smi_log>\n{after}"


SLICED = card(0, mig="Enabled", slices="".join(mig_slice(n) for n in range(3)))
LISTED_SLICES = f"""GPU 0: NVIDIA H100 80GB HBM3 (UUID: {uuid(0)})
  MIG 1g.10gb     Device  0: (UUID: MIG-a686709d-6dc2-542a-8851-0d2508448c10)
  MIG 1g.10gb     Device  1: (UUID: MIG-53864714-0a66-5df2-9007-9268e30d9a72)
  MIG 1g.10gb     Device  2: (UUID: MIG-d5a46a2e-1d77-575d-99e3-1f96c8555a2e)
"""


def put_nvidia_smi(folder: Path, query: str, listed: str = "", exit_code: int = 0) -> Path:
    """A program of that name in `folder` that answers -q -x and -L, and ends with the code."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "query.txt").write_text(query)
    (folder / "listed.txt").write_text(listed)
    program = folder / "nvidia-smi"
    answers = f'case "$*" in -L) cat {folder}/listed.txt;; *) cat {folder}/query.txt;; esac'
    program.write_text(f"#!/bin/sh\n{answers}\nexit {exit_code}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program
