"""The table of scales in a user's own folder."""

from collections import defaultdict

from data_prep._image_names import match_rows
from umsrep.data.scale import Scale
from umsrep.data.scale_table import read_scale_table


def read_scales(images, groups, contents):
    """Adds the scales of a folder's images.

    Args:
        images: {stem in lower case: [image files]}, all that there are.
        groups: Those that are not ruled out; images with two scales of an
            axis are taken out, too.
        contents: `FolderContents`, filled.

    Raises:
        UmsrepError: see `read_scale_table`.
    """
    file, root = contents.layout.scales, contents.layout.images
    if not file.exists():
        return
    rows = read_scale_table(file)
    matched = match_rows(file, rows, root, images, contents.problems)
    for path, rows in matched.items():
        axes = defaultdict(list)
        for row in rows:
            axes[row.axis].append(row)
        for axis, repeated in axes.items():
            if len(repeated) > 1:
                # Which one is right is unknown, so the image is left out.
                groups.pop(path.stem.lower(), None)
                lines = " and ".join(str(row.line) for row in repeated)
                contents.problems.append(
                    (
                        path,
                        f"{file} has {len(repeated)} {axis} scales for "
                        f"{path.name} (lines {lines}). Expected one row per "
                        "image and axis; keep the right one.",
                    )
                )
        contents.scales[path] = Scale(
            **{axis: found[0].scale for axis, found in axes.items()}
        )
