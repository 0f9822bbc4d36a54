"""From bytes to numbered rows of plain values, a format a module; `rlhf.data.files` picks one."""
