# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A container that joins the virtual machine of another one, the test's.

# The member's bundle: like the sandbox's, with a root of its own. Arguments: the program.
member_bundle() {
  MEMBER=$ID-member
  MEMBER_BUNDLE=$BATS_TEST_TMPDIR/member
  mkdir "$MEMBER_BUNDLE"
  cp -a "$BATS_FILE_TMPDIR/rootfs" "$MEMBER_BUNDLE/rootfs"
  jq --arg id "$ID" '.annotations["io.kubernetes.cri-o.SandboxID"] = $id
    | .process.args = $ARGS.positional' --args -- "$@" \
    <"$BUNDLE/config.json" >"$MEMBER_BUNDLE/config.json"
}
