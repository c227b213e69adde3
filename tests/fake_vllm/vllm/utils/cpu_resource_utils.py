from types import SimpleNamespace


def get_allowed_cpu_list():
    return [SimpleNamespace(id=0, numa_node=0)]


def get_memory_node_info(node):
    return SimpleNamespace(total_memory=16 * 1024**3, available_memory=8 * 1024**3)
